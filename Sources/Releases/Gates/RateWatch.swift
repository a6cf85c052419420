import Glibc
import Outcomes
import Statistics

/// What watches hits has in common: only a hit can raise the wealth against "good", and not every one is worth a look.
protocol HitWatch {
    /// The candidate's.
    var hits: Int64 { get }
    /// The most that one hit can add to the log wealth.
    var gainMax: Double { get }
    var logWealthAgainstGood: Double { get }
    var schedule: LookSchedule { get set }
}

extension HitWatch {
    /// Whether the limit is now proven broken.
    mutating func isBroken(byHit hit: Bool, failAt threshold: Double) -> Bool {
        guard hit, schedule.isDue(hits) else { return false }
        let wealth = logWealthAgainstGood
        schedule.looked(at: hits, wealthMissing: threshold - wealth, gainMax: gainMax)
        return wealth >= threshold
    }
}

/// Watches the share of answers that hit: errors, or answers slower than a limit.
struct RateWatch: HitWatch, Sendable, Codable {
    enum Subject: Sendable, Equatable, Codable {
        case errors
        case slower(thanMicroseconds: UInt32)
    }

    let place: Int
    let subject: Subject
    let test: RateTest
    private(set) var counts = ClusteredRate()
    var schedule = LookSchedule()

    init?(_ gate: Gate, at place: Int) {
        switch gate.measure {
        case .errorRate: (subject, test) = (.errors, RateTest(limit: gate.limit))
        case .p50Latency, .p95Latency, .p99Latency:
            guard let share = gate.measure.slowShare else { return nil }
            subject = .slower(thanMicroseconds: UInt32(clamping: Int64(gate.limit * 1_000)))
            test = RateTest(limit: share)
        case .quality, .coverage, .errorRateIncrease, .p95Increase: return nil
        }
        self.place = place
    }

    /// Takes one answer of the candidate; true when the limit is now proven broken.
    mutating func observe(_ exposure: Exposure, failAt threshold: Double) -> Bool {
        guard let hit = subject.hit(exposure) else { return false }
        counts.add(unit: exposure.unit, hit: hit)
        return isBroken(byHit: hit, failAt: threshold)
    }

    var hits: Int64 { counts.hits }
    var gainMax: Double { -log(test.limit) }

    var logWealthAgainstGood: Double {
        let effect = counts.designEffect(at: test.limit)
        return test.logWealthAbove(hits: Double(counts.hits) / effect, of: Double(counts.samples) / effect)
    }

    var logWealthAgainstBad: Double {
        let effect = counts.cautiousDesignEffect(at: test.limit)
        return test.logWealthBelow(hits: Double(counts.hits) / effect, of: Double(counts.samples) / effect)
    }
}

extension RateWatch.Subject {
    /// Whether an answer is a hit; nil when it says nothing of the version.
    func hit(_ exposure: Exposure) -> Bool? {
        switch self {
        case .errors: exposure.kind == .clientFault ? nil : exposure.kind.isError
        case .slower(let limit): (exposure.latency ?? exposure.waited(beyond: limit)).map { $0 > limit }
        }
    }
}

extension Exposure {
    /// The latency as gates judge it: that of a success; a time-out is slower than anything; other errors, and answers that
    /// were the client's fault, are no measurement (a fast refusal must not make a version look fast).
    var latency: UInt32? {
        switch kind {
        case .success: latencyMicroseconds
        case .timedOut: .max
        case .clientFault, .upstreamError, .unreachable, .brokenAnswer: nil
        }
    }

    /// How long a client waited in vain, where that is longer than `limit`: it went away before an answer began, and the answer
    /// would have been slower still. Who went away sooner says nothing: else a version that hangs would have no latency at all.
    func waited(beyond limit: UInt32) -> UInt32? {
        kind == .clientFault && status == Self.clientLeft && latencyMicroseconds > limit ? latencyMicroseconds : nil
    }

    /// What the gateway notes for a client that went away before its answer began.
    private static let clientLeft: UInt16 = 499
}

/// When the wealth against "good" is worth computing again: never so late that a crossing could be missed by more than 2 %
/// of the hits, and not while no possible run of hits could have crossed. A function of the counts alone, so that a failure
/// does not depend on when somebody asked for verdicts.
struct LookSchedule: Sendable, Codable {
    private var next: Int64 = 1

    func isDue(_ hits: Int64) -> Bool { hits >= next }

    /// `gainMax`: the most that one hit can add to the log wealth.
    mutating func looked(at hits: Int64, wealthMissing: Double, gainMax: Double) {
        let needed = Int64(max(0, min(wealthMissing / gainMax, 1e9)))
        // Counts of repeated units may change their weight, so the skip is never over an eighth of what was seen.
        next = hits + max(1, hits / 64, min(needed, hits / 8))
    }
}
