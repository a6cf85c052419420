import Telemetry
import Worker

/// What disturbed a job's steps, and when they began and ended. Times are Unix milliseconds, as the Workers stamp them.
struct JobCourse: Codable, Equatable, Sendable {
    /// After a death the ranks that were left took a step.
    struct Resumption: Codable, Equatable, Sendable {
        var at: Int64
        var epoch: Int64
        var step: Int64
        /// Of the rank that stood still the longest.
        var seconds: Double
        var slots: [Int]
    }
    /// A replacement took part.
    struct Arrival: Codable, Equatable, Sendable {
        var at: Int64
        var slot: Int
        var step: Int64
    }
    /// The ranks went on in another number, since a step boundary.
    struct Rescaling: Codable, Equatable, Sendable {
        var at: Int64
        var epoch: Int64
        var step: Int64
        /// Until the first step in that number was done.
        var seconds: Double
        var from: Int
        var to: Int
    }
    /// No step for much longer than steps take.
    struct Stall: Codable, Equatable, Sendable {
        var at: Int64
        var step: Int64
        var seconds: Double
    }

    /// `wire: auto` chose another format on a rank.
    struct WireChoice: Codable, Equatable, Sendable {
        var at: Int64
        var slot: Int
        var step: Int64
        var format: String
        var before: String
        /// What it had measured of a step, in seconds.
        var computeSeconds: Double
        var waitSeconds: Double
        var why: String
    }

    static let kept = 200
    /// A gap between two reports of progress counts from here on: so many usual steps, and at least a second.
    static let stallSteps = 20.0
    static let stallSecondsMin = 1.0

    var resumptions: [Resumption] = []
    var arrivals: [Arrival] = []
    var stalls: [Stall] = []
    var rescalings: [Rescaling] = []
    var wires: [WireChoice] = []
    /// 0 before the first.
    var firstStepAt: Int64 = 0
    var lastStepAt: Int64 = 0

    mutating func hear(_ resumed: Resumed, at: Int64) {
        let slots = resumed.slots.map { Int($0.slot) }
        if let known = resumptions.lastIndex(where: { $0.epoch == resumed.epoch && at - $0.at < 60_000 }) {
            resumptions[known].seconds = max(resumptions[known].seconds, resumed.seconds)
            resumptions[known].at = max(resumptions[known].at, at)
            return
        }
        Self.add(
            Resumption(at: at, epoch: resumed.epoch, step: resumed.step, seconds: resumed.seconds, slots: slots), to: &resumptions)
    }

    mutating func hear(_ wire: WireChosen, from slot: Int, at: Int64) {
        Self.add(
            WireChoice(
                at: at, slot: slot, step: wire.step, format: wire.format, before: wire.before, computeSeconds: wire.computeSeconds,
                waitSeconds: wire.waitSeconds, why: wire.why), to: &wires)
    }

    /// Told at the boundary, and again after the first step.
    mutating func hear(_ rescaled: Rescaled, at: Int64) {
        if let known = rescalings.lastIndex(where: {
            $0.epoch == rescaled.epoch && $0.to == Int(rescaled.world) && at - $0.at < 600_000
        }) {
            rescalings[known].seconds = max(rescalings[known].seconds, rescaled.seconds)
        } else {
            Self.add(
                Rescaling(
                    at: at, epoch: rescaled.epoch, step: rescaled.step, seconds: rescaled.seconds, from: Int(rescaled.before),
                    to: Int(rescaled.world)), to: &rescalings)
        }
    }

    func rescaling(of change: RankChange) -> Rescaling? {
        rescalings.first { $0.from == change.from && $0.to == change.to && $0.at >= change.at.milliseconds - 2_000 }
    }

    /// Told again whenever its Worker connects again.
    mutating func joined(_ slot: Int, step: Int64, at: Int64) {
        guard !arrivals.contains(where: { $0.slot == slot && $0.step == step }) else { return }
        Self.add(Arrival(at: at, slot: slot, step: step), to: &arrivals)
    }

    /// A rank told progress; `rank` is what was known of it before.
    mutating func step(at: Int64, _ step: Int64, of slot: Int, after rank: JobBoard.RankFigures) {
        guard step > 0 else { return }
        if firstStepAt == 0 { firstStepAt = at }
        lastStepAt = max(lastStepAt, at)
        guard rank.steppedAt > 0, step > rank.step, let usual = JobBoard.median(rank.recent) else { return }
        // Steps that were taken meanwhile, and not told (the daemon was away), are no standing still.
        let gap = Double(at - rank.steppedAt) / 1_000 - Double(step - rank.step - 1) * usual
        guard gap > max(Self.stallSecondsMin, Self.stallSteps * usual) else { return }
        // All ranks stand still together: one stall, told by each of them.
        if let last = stalls.indices.last, stalls[last].at + Int64(stalls[last].seconds * 1_000) >= rank.steppedAt {
            stalls[last].seconds = max(stalls[last].seconds, gap)
            return
        }
        Self.add(Stall(at: rank.steppedAt, step: rank.step, seconds: gap), to: &stalls)
    }

    /// What the survivors of a death told; clocks of two machines may differ a little.
    func resumption(after loss: JobMachine.Loss) -> Resumption? {
        resumptions.first { $0.slots.contains(loss.slot) && $0.at >= loss.at.milliseconds - 2_000 }
    }

    func arrival(after loss: JobMachine.Loss) -> Arrival? {
        arrivals.first { $0.slot == loss.slot && $0.at >= loss.at.milliseconds - 2_000 }
    }

    private static func add<Item>(_ item: Item, to items: inout [Item]) {
        if items.count >= kept { items.removeFirst() }
        items.append(item)
    }
}

extension JobBoard.RankFigures {
    /// Processor time is a total of one process: a replacement's begins anew.
    mutating func used(cpuMilliseconds: Int64, memoryPeak peak: Int64) {
        if cpuMilliseconds < self.cpuMilliseconds { cpuBefore += self.cpuMilliseconds }
        self.cpuMilliseconds = cpuMilliseconds
        memoryPeak = max(memoryPeak, peak)
    }
}
