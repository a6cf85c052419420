import Outcomes
import Releases
import Routing
import Statistics
import Telemetry

/// A board with traffic made by hand.
struct Board {
    static let candidate = VariantID(1)
    static let stable = VariantID(0)

    var gates: GateBoard
    var random: SplitMix64
    private var sent: UInt64 = 0

    init(_ gates: Gate..., seed: UInt64 = 1) {
        self.gates = GateBoard(gates: gates, qualityMetric: "correct", candidate: Self.candidate, stable: Self.stable)
        random = SplitMix64(seed: seed)
    }

    mutating func answer(
        _ kind: AnswerKind = .success, milliseconds: Double = 40, unit: UInt64? = nil, by variant: VariantID = candidate,
        share: UInt16 = 10_000, status: UInt16 = 200
    ) {
        sent += 1
        gates.observe(
            .answered(
                Exposure(
                    request: RequestID(instance: 0, loop: 0, sequence: sent, nonce: 0), route: RouteID(0), variant: variant,
                    kind: kind,
                    status: status, propensity: share, unit: unit ?? (1 << 40) + sent, tablePosition: 0,
                    at: Timestamp(milliseconds: 0),
                    latencyMicroseconds: UInt32(milliseconds * 1_000), bytesIn: 0, bytesOut: 0)))
    }

    mutating func label(
        _ value: Double, unit: UInt64? = nil, metric: String = "correct", of variant: VariantID = candidate,
        previous: Double? = nil
    ) {
        sent += 1
        gates.observe(
            .scored(
                Score(
                    route: RouteID(0), variant: variant, unit: unit ?? (1 << 40) + sent, metric: metric, value: value,
                    previous: previous,
                    exposedAt: Timestamp(milliseconds: 0), at: Timestamp(milliseconds: 0))))
    }

    /// One request of the route at a canary share, the candidate and the stable version failing at these rates.
    mutating func request(share: UInt16, errors: (candidate: Double, stable: Double)) {
        let isCandidate = random.unit() * 10_000 < Double(share)
        let isError = random.unit() < (isCandidate ? errors.candidate : errors.stable)
        answer(
            isError ? .upstreamError : .success, by: isCandidate ? Self.candidate : Self.stable,
            share: isCandidate ? share : 10_000 - share)
    }

    var verdict: Verdict { gates.verdicts()[0] }
}
