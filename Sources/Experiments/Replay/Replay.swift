public import Faults
import Statistics

/// Estimates what another allocation would have earned from what one experiment recorded: each reward counts by how much more or
/// less likely the other allocation was to choose that arm for that unit (MATH: off-policy evaluation).
public struct Replay: Equatable, Sendable {
    public struct Settings: Equatable, Sendable {
        /// Of the intervals.
        public var confidence = 0.95
        /// Intervals that hold at every look at a growing record, instead of at one.
        public var isAlwaysValid = false
        /// Below so many effective units there is no answer.
        public var effectiveMin = 100.0
        /// Weights beyond it count as it. The estimate is then biased, and says by how much at most; nil leaves them.
        public var clip: Double?
        public init() {}
    }

    /// One way of estimating.
    public struct Estimate: Equatable, Sendable {
        public enum Method: String, Sendable, CaseIterable {
            /// Inverse propensity: mean of weight * reward. Unbiased.
            case ips
            /// Self-normalised: by the sum of the weights. Hardly biased, steadier.
            case snips
            /// A model of the rewards, put right by the weighted errors it makes. Unbiased, and steady where the model is good.
            case doublyRobust = "doubly_robust"
        }
        public var method: Method
        public var value: Double
        public var lower: Double
        public var upper: Double
    }

    public var estimates: [Estimate]
    /// What the recorded allocation earned, with its own interval.
    public var recorded: Estimate
    public var exposures: Int
    public var units: Int
    /// (sum of weights)^2 / sum of squared weights, by unit: as good as so many recorded under the other allocation itself.
    public var effectiveUnits: Double
    public var largestWeight: Double
    /// What clipping may have added to the estimate of `ips`, at least and at most; nil where nothing was clipped.
    public var clippingBias: ClosedRange<Double>?
    public var settings: Settings

    public init(of target: ReplayTarget, on log: ReplayLog, settings: Settings = Settings()) throws(Fault) {
        precondition((0.5..<1).contains(settings.confidence), "a confidence lies between a half and one")
        guard !log.rows.isEmpty else {
            throw Fault(
                .usage, what: "There is nothing to replay.", why: "The record has no exposures.", fix: "Export one that has.")
        }
        let wanted = try target.probabilities(for: log)
        var weights = log.rows.indices.map { wanted[$0][log.rows[$0].arm] / log.rows[$0].propensity }
        try Replay.refuseUnseenArms(wanted, log)
        try Replay.refuseWrongPropensities(weights, log)
        clippingBias = settings.clip.flatMap { Replay.clip(&weights, to: $0, log) }
        let units = UnitSlots(log.rows.map(\.unit))
        let perUnit = units.sums(weights)
        let squares = perUnit.reduce(0) { $0 + $1 * $1 }
        let sum = perUnit.reduce(0, +)
        effectiveUnits = squares > 0 ? sum * sum / squares : 0
        (self.units, self.settings, exposures) = (units.count, settings, log.rows.count)
        largestWeight = weights.max() ?? 0
        guard effectiveUnits >= settings.effectiveMin else { throw Replay.tooFew(effectiveUnits, settings) }
        let n = Double(log.rows.count)
        let rewards = log.rows.map(\.value)
        func estimate(_ method: Estimate.Method, _ value: Double, _ scores: [Double]) -> Estimate {
            let half = Replay.halfWidth(units.sums(scores).map { $0 * Double(units.count) / n }, settings)
            return Estimate(method: method, value: value, lower: value - half, upper: value + half)
        }
        let plain = zip(weights, rewards).map { $0 * $1 }
        let ips = plain.reduce(0, +) / n
        let meanWeight = sum / n
        let snips = ips / meanWeight
        let robust = RewardModel.scores(log, units: units, wanted: wanted, weights: weights)
        let doubly = robust.reduce(0, +) / n
        estimates = [
            estimate(.ips, ips, plain.map { $0 - ips }),
            estimate(.snips, snips, zip(weights, rewards).map { $0 * ($1 - snips) / meanWeight }),
            estimate(.doublyRobust, doubly, robust.map { $0 - doubly }),
        ]
        let mean = rewards.reduce(0, +) / n
        recorded = estimate(.ips, mean, rewards.map { $0 - mean })
    }

    // MARK: - Intervals

    /// Half the width of the interval of a mean over units, from what each unit adds to it less the mean.
    private static func halfWidth(_ scores: [Double], _ settings: Settings) -> Double {
        let count = Double(scores.count)
        guard count > 1 else { return .infinity }
        let deviation = (scores.reduce(0) { $0 + $1 * $1 } / (count - 1)).squareRoot()
        let alpha = 1 - settings.confidence
        if settings.isAlwaysValid {
            // Narrowest at about a thousand units, which is fixed beforehand.
            let twice = -2 * PortableMath.log(alpha)
            let rho = ((twice + PortableMath.log(1 + twice)) / 1_000).squareRoot()
            return AsymptoticSequence.halfWidth(count: count, deviation: deviation, rho: rho, alpha: alpha)
        }
        // Student's t with a degree of freedom less than units: cosh(w)^-freedom is its density where t = sqrt(freedom) sinh(w).
        let freedom = count - 1
        let w = QuantileSweep(mode: 0, scale: (1 / freedom).squareRoot()) { w in
            -freedom * (abs(w) + PortableMath.log((1 + PortableMath.exp(-2 * abs(w))) / 2))
        }.quantile(1 - alpha / 2)
        return freedom.squareRoot() * (PortableMath.exp(w) - PortableMath.exp(-w)) / 2 * deviation / count.squareRoot()
    }

    // MARK: - What cannot be answered

    /// Cuts weights down, and says between which ends the estimate's bias lies.
    private static func clip(_ weights: inout [Double], to limit: Double, _ log: ReplayLog) -> ClosedRange<Double>? {
        let excess = weights.reduce(0) { $0 + max(0, $1 - limit) } / Double(weights.count)
        guard excess > 0, let low = log.rows.map(\.value).min(), let high = log.rows.map(\.value).max() else { return nil }
        for place in weights.indices { weights[place] = min(weights[place], limit) }
        return min(-excess * high, -excess * low)...max(-excess * high, -excess * low)
    }

    private static func refuseUnseenArms(_ wanted: [[Double]], _ log: ReplayLog) throws(Fault) {
        let seen = Set(log.rows.map(\.arm))
        for arm in log.arms.indices where !seen.contains(arm) && wanted.contains(where: { $0[arm] > 0 }) {
            throw Fault(
                .failed, what: "The record cannot say what \(log.arms[arm]) would have earned.", why: "Nobody ever saw it.",
                fix: "Run it with a small share first, or ask about an allocation without it.")
        }
    }

    /// Over the record the weights have a mean of 1 if the propensities are the true ones.
    private static func refuseWrongPropensities(_ weights: [Double], _ log: ReplayLog) throws(Fault) {
        let n = Double(weights.count)
        let units = UnitSlots(log.rows.map(\.unit))
        let mean = weights.reduce(0, +) / n
        let scores = units.sums(weights.map { $0 - mean })
        let error = scores.reduce(0) { $0 + $1 * $1 }.squareRoot() / n
        guard abs(mean - 1) > 6 * error + 1e-9, error > 0 || abs(mean - 1) > 0.01 else { return }
        throw Fault(
            .failed, what: "The recorded probabilities do not fit what was recorded.",
            why: "The weights should be 1 in the mean and are \(mean), with an error of \(error).",
            fix: "See that `propensity` is the probability of the variant shown, and that no exposures are missing.")
    }

    private static func tooFew(_ effective: Double, _ settings: Settings) -> Fault {
        Fault(
            .failed, what: "The record is too thin for this question.",
            why: "It is worth \(Int(effective)) units under that allocation, and an interval needs \(Int(settings.effectiveMin)).",
            fix: "Record more, or ask about an allocation nearer to the recorded one.")
    }
}

/// Rows by unit: units repeat, and only units are independent.
struct UnitSlots {
    private var slots: [Int] = []
    private(set) var count = 0

    init(_ units: [UInt64]) {
        var known: [UInt64: Int] = [:]
        slots.reserveCapacity(units.count)
        for unit in units {
            let slot = known[unit] ?? count
            if slot == count { (known[unit], count) = (count, count + 1) }
            slots.append(slot)
        }
    }

    func sums(_ values: [Double]) -> [Double] {
        var sums = Array(repeating: 0.0, count: count)
        for (slot, value) in zip(slots, values) { sums[slot] += value }
        return sums
    }

    /// Which of some parts a row's unit belongs to, the same for all its rows.
    func fold(of row: Int, of folds: Int) -> Int { slots[row] % folds }
}
