import JSON
import Telemetry
import Worker

/// What the ranks of a job's attempt told on the way: kept in memory and in a file beside the job, not in the ledger.
struct JobBoard: Codable, Equatable, Sendable {
    struct RankFigures: Codable, Equatable, Sendable {
        var step: Int64 = 0
        /// Of its process that runs now, or ran last.
        var samples: Int64 = 0
        /// Of all of them, in the steps that were told: a replacement counts from nothing.
        var samplesSeen: Int64 = 0
        /// Sums over the steps that were told, in seconds.
        var steps: Int64 = 0
        var stepSeconds = 0.0
        var computeSeconds = 0.0
        var communicationSeconds = 0.0
        var waitSeconds = 0.0
        /// Of lives that have ended, and of this one.
        var wireBefore: Int64 = 0
        var wireBytes: Int64 = 0
        var logicalBefore: Int64 = 0
        var logicalBytes: Int64 = 0
        var cpuBefore: Int64 = 0
        var cpuMilliseconds: Int64 = 0
        var memoryPeak: Int64 = 0
        var repeated: Int64 = 0
        var lost: Int64 = 0
        var steppedAt: Int64 = 0
        var heardAt: Int64 = 0
        /// The last step times, for their median, in seconds.
        var recent: [Double] = []
        var framework = ""
        /// Of the script; 0 until it is known.
        var process: Int32 = 0
        var survives: Bool?
        var whyNot: [String] = []
        /// Whether ranks can come and go while it trains.
        var scales: Bool?
        var whyFixed: [String]?
        var stack: [String] = []
    }
    struct Sample: Codable, Equatable, Sendable {
        /// Unix milliseconds.
        var at: Int64
        var step: Int64
        var value: Double
    }
    struct Note: Codable, Equatable, Hashable, Sendable {
        var what: String
        var why: String
        var fix: String
    }
    struct Written: Codable, Equatable, Sendable {
        var step: Int64
        var bytes: Int64
        var copySeconds: Double
        var writeSeconds: Double
    }

    static let recentMax = 31
    static let notesMax = 50
    /// Of one curve: past it every second sample goes, so that it keeps its shape.
    static let samplesMax = 2_000
    static let curvesMax = 32
    /// Milliseconds between two samples of the throughput.
    static let measuredEvery: Int64 = 1_000
    /// A rank that told no step for so long has no part in it, in milliseconds, or for so many of its usual steps.
    static let silentAfter: Int64 = 3_000
    static let silentSteps = 20.0
    static let writtenMax = 1_000

    var ranks: [Int: RankFigures] = [:]
    var stepsTotal: Int64 = 0
    var dataEpoch: Int64 = 0
    var epochsTotal: Int64 = 0
    /// The newest value of each name that was logged, and its course.
    var values: [String: Double] = [:]
    var curves: [String: [Sample]] = [:]
    var throughput: [Sample] = []
    var notes: [Note] = []
    var written: [Written] = []
    var checkpointFailures = 0
    var output: String?
    var course = JobCourse()
    /// Over what the job declared as its data, taken when it began.
    var dataDigest: String?

    /// The first and the newest of what a script logged that tells no steps otherwise.
    var loggedFirst: Sample?
    var loggedLast: Sample?

    /// The newest step that any rank took.
    var step: Int64 {
        let taken = ranks.values.map(\.step).max() ?? 0
        return taken > 0 ? taken : loggedLast?.step ?? 0
    }

    /// Of a script that tells its steps by what it logs alone, in seconds.
    private var loggedPace: Double? {
        guard let first = loggedFirst, let last = loggedLast, last.step > first.step else { return nil }
        return Double(last.at - first.at) / 1_000 / Double(last.step - first.step)
    }

    // MARK: Hearing

    mutating func note(_ what: String, why: String = "", fix: String = "") {
        let note = Note(what: what, why: why, fix: fix)
        guard !notes.contains(note), notes.count < Self.notesMax else { return }
        notes.append(note)
    }

    mutating func hear(_ report: Report, from slot: Int) {
        var rank = ranks[slot] ?? RankFigures()
        rank.heardAt = report.at
        if let hello = report.hello {
            (rank.framework, rank.survives, rank.whyNot) = (hello.framework, hello.survives, hello.whyNot)
            (rank.process, rank.scales, rank.whyFixed) = (hello.process, hello.scales, hello.whyFixed)
        }
        if let heartbeat = report.heartbeat {
            rank.used(cpuMilliseconds: heartbeat.cpuMilliseconds, memoryPeak: heartbeat.memoryPeakBytes)
        }
        if let ended = report.ended {
            rank.used(cpuMilliseconds: ended.cpuMilliseconds, memoryPeak: ended.memoryPeakBytes)
            rank.process = 0
        }
        if let joined = report.joined {
            course.joined(slot, step: joined.step, at: report.at)
            // A replacement goes on where the others stand: it did not take the steps before, nor stand still for as long.
            if joined.step > rank.step { (rank.step, rank.steppedAt) = (joined.step, report.at) }
        }
        if let progress = report.progress {
            if report.at - (throughput.last?.at ?? 0) >= Self.measuredEvery { measure(at: Timestamp(milliseconds: report.at)) }
            course.step(at: report.at, progress.step, of: slot, after: rank)
            hear(progress, at: report.at, &rank)
        }
        if let samples = report.samples { (rank.repeated, rank.lost) = (samples.repeated, samples.lost) }
        if let stack = report.stack { rank.stack = stack.threads }
        ranks[slot] = rank
        if let log = report.log { hear(log, at: report.at) }
        if let remark = report.remark { hear(remark) }
        if let resumed = report.resumed { course.hear(resumed, at: report.at) }
        if let rescaled = report.rescaled { course.hear(rescaled, at: report.at) }
        if let wire = report.wire { course.hear(wire, from: slot, at: report.at) }
        if let started = report.started {
            // A new process has no pace yet: until it has, nobody can say that it stands still.
            ranks[slot]?.recent = []
            // Until its script says hello: the shell's.
            if ranks[slot]?.process == 0 { ranks[slot]?.process = started.process }
            for remark in started.remarks { note(remark) }
        }
        if let checkpoint = report.checkpoint { hear(checkpoint) }
        if let output = report.output { self.output = output.path }
    }

    private mutating func hear(_ progress: Progress, at: Int64, _ rank: inout RankFigures) {
        if progress.step > rank.step {
            rank.steps += progress.step - rank.step
            let count = Double(progress.step - rank.step)
            rank.stepSeconds += progress.stepSeconds * count
            rank.computeSeconds += progress.computeSeconds * count
            rank.communicationSeconds += progress.communicationSeconds * count
            rank.waitSeconds += progress.waitSeconds * count
            if rank.recent.count >= Self.recentMax { rank.recent.removeFirst() }
            rank.recent.append(progress.stepSeconds)
        }
        // Totals of a process begin anew with its replacement.
        if progress.wireBytes < rank.wireBytes { rank.wireBefore += rank.wireBytes }
        if progress.logicalBytes < rank.logicalBytes { rank.logicalBefore += rank.logicalBytes }
        (rank.wireBytes, rank.logicalBytes) = (progress.wireBytes, progress.logicalBytes)
        rank.samplesSeen += progress.samples >= rank.samples ? progress.samples - rank.samples : progress.samples
        (rank.step, rank.samples, rank.steppedAt) = (progress.step, progress.samples, at)
        rank.memoryPeak = max(rank.memoryPeak, progress.memoryBytes)
        stepsTotal = max(stepsTotal, progress.stepsTotal)
        (dataEpoch, epochsTotal) = (max(dataEpoch, progress.dataEpoch), max(epochsTotal, progress.epochsTotal))
    }

    private mutating func hear(_ log: LogLine, at: Int64) {
        if log.step > 0 {
            let sample = Sample(at: at, step: log.step, value: 0)
            // One that begins anew is another life of the script.
            if loggedFirst == nil || log.step < loggedLast?.step ?? 0 { loggedFirst = sample }
            loggedLast = sample
        }
        for logged in log.values where values[logged.name] != nil || values.count < Self.curvesMax {
            values[logged.name] = logged.value
            curves[logged.name, default: []].append(Sample(at: at, step: log.step, value: logged.value))
            Self.thin(&curves[logged.name, default: []])
        }
    }

    private mutating func hear(_ remark: Remark) {
        if remark.isCheckpoint { checkpointFailures += 1 }
        // Of checkpoints that failed the newest says enough: the disk stays full for a while.
        if Self.isOfCheckpoint(remark.what) { notes.removeAll { Self.isOfCheckpoint($0.what) } }
        note(remark.what, why: remark.why, fix: remark.fix)
    }

    private static func isOfCheckpoint(_ what: String) -> Bool {
        what.hasPrefix("The checkpoint of step ") && what.hasSuffix(" was not written.")
    }

    private mutating func hear(_ checkpoint: Checkpoint) {
        if written.count >= Self.writtenMax { written.removeFirst() }
        written.append(
            Written(
                step: checkpoint.step, bytes: checkpoint.size, copySeconds: checkpoint.copySeconds,
                writeSeconds: checkpoint.writeSeconds))
    }

    private static func thin(_ samples: inout [Sample]) {
        guard samples.count > samplesMax else { return }
        samples = samples.enumerated().filter { $0.offset % 2 == 1 || $0.offset == 0 }.map(\.element)
    }

    /// Now and then: how fast all ranks together are.
    mutating func measure(at: Timestamp) {
        guard let rate = samplesPerSecond, rate > 0 else { return }
        throughput.append(Sample(at: at.milliseconds, step: step, value: rate))
        Self.thin(&throughput)
    }

    // MARK: Telling

    /// Of a rank's last steps, in seconds.
    static func median(_ values: [Double]) -> Double? {
        let sorted = values.sorted()
        return sorted.isEmpty ? nil : sorted[sorted.count / 2]
    }

    /// Of the slowest rank: all of them go at its pace.
    var stepSeconds: Double? { ranks.values.compactMap { Self.median($0.recent) }.max() }

    /// Of all ranks together; nil where nobody counts samples.
    var samplesPerSecond: Double? {
        var sum = 0.0
        let newest = ranks.values.map(\.steppedAt).max() ?? 0
        for rank in ranks.values where rank.samplesSeen > 0 && rank.steps > 0 {
            guard let seconds = Self.median(rank.recent), seconds > 0 else { continue }
            guard newest - rank.steppedAt <= max(Self.silentAfter, Int64(Self.silentSteps * seconds * 1_000)) else { continue }
            sum += Double(rank.samplesSeen) / Double(rank.steps) / seconds
        }
        return sum > 0 ? sum : nil
    }

    /// From 0 to 1, where the script says how much there is to do.
    var fraction: Double? {
        if stepsTotal > 0 { return min(1, Double(step) / Double(stepsTotal)) }
        return epochsTotal > 0 ? min(1, Double(dataEpoch) / Double(epochsTotal)) : nil
    }

    var secondsLeft: Double? {
        guard stepsTotal > 0, let seconds = stepSeconds ?? loggedPace else { return nil }
        return Double(max(0, stepsTotal - step)) * seconds
    }

    var progress: JSONValue {
        var members: [String: JSONValue] = ["step": .integer(step)]
        if stepsTotal > 0 { members["steps_total"] = .integer(stepsTotal) }
        if epochsTotal > 0 { (members["epoch"], members["epochs_total"]) = (.integer(dataEpoch), .integer(epochsTotal)) }
        if let fraction { members["fraction"] = .number(fraction) }
        if let samplesPerSecond { members["samples_per_s"] = .number(samplesPerSecond) }
        if let stepSeconds { members["step_s"] = .number(stepSeconds) }
        if let secondsLeft { members["seconds_left"] = .number(secondsLeft) }
        if !values.isEmpty { members["values"] = .object(values.mapValues { .number($0) }) }
        return .object(members)
    }
}
