import Outcomes
import Releases
import Statistics

extension Scenario {
    /// Everything that `make validate` promises.
    static var all: [Scenario] { rates + qualities + increases + boards + crowds + detections + crowdDetections }

    private static let heavy = Traffic.Users.heavyTailed(count: 2_000)
    private static let single = ErrorBudget(gates: [Gate(.errorRate, limit: 0.005)])

    /// Both sides of one gate with the truth at its limit.
    private static var bothSides: [Question] {
        [.falseAlarms(promise: single.failAlpha), .falsePasses(promise: single.passAlpha)]
    }

    private static var rates: [Scenario] {
        let errors = Gate(.errorRate, limit: 0.005)
        let slow = Gate(.p95Latency, limit: 250)
        let erring = Traffic.Version(errorRate: 0.005)
        let slowing = Traffic.Version(slowRate: 0.05)
        return [
            Scenario(
                name: "max_error_rate 0.5 % at its limit, fresh users", gates: [errors], candidate: erring, requests: 20_000,
                questions: bothSides),
            Scenario(
                name: "max_error_rate 0.5 % at its limit, heavy-tailed users", gates: [errors], users: heavy, candidate: erring,
                requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_error_rate 0.5 % at its limit, 200 heavy-tailed users", gates: [errors], users: .heavyTailed(count: 200),
                candidate: erring,
                requests: 40_000, questions: [.falseAlarms(promise: single.failAlpha), .falsePasses(promise: nil)]),
            Scenario(
                name: "max_error_rate 0.5 % at its limit, sessions", gates: [errors], users: .sessions, candidate: erring,
                requests: 100_000, questions: bothSides),
            Scenario(
                name: "max_p95_latency_ms at its limit, sessions", gates: [slow], users: .sessions, candidate: slowing,
                requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_error_rate 5 % at its limit, heavy-tailed users", gates: [Gate(.errorRate, limit: 0.05)], users: heavy,
                candidate: Traffic.Version(errorRate: 0.05),
                requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_p95_latency_ms at its limit, fresh users", gates: [slow], candidate: slowing, requests: 10_000,
                questions: bothSides),
            Scenario(
                name: "max_p95_latency_ms at its limit, heavy-tailed users", gates: [slow], users: heavy, candidate: slowing,
                requests: 20_000, questions: bothSides),
            Scenario(
                name: "max_p50_latency_ms at its limit, fresh users", gates: [Gate(.p50Latency, limit: 250)],
                candidate: Traffic.Version(slowRate: 0.5), requests: 4_000, questions: bothSides),
            Scenario(
                name: "max_p99_latency_ms at its limit, heavy-tailed users", gates: [Gate(.p99Latency, limit: 250)], users: heavy,
                candidate: Traffic.Version(slowRate: 0.01), requests: 20_000, questions: bothSides),
        ]
    }

    private static var qualities: [Scenario] {
        let quality = Gate(.quality, limit: 0.92)
        let version = Traffic.Version(quality: 0.92)
        return [
            Scenario(
                name: "min_quality_score 0.92 at its limit, fresh users", gates: [quality], candidate: version, requests: 10_000,
                questions: bothSides),
            Scenario(
                name: "min_quality_score 0.92 at its limit, heavy-tailed users", gates: [quality], users: heavy, candidate: version,
                requests: 20_000, questions: bothSides),
            Scenario(
                name: "min_quality_score 0.92 at its limit, sessions", gates: [quality], users: .sessions, candidate: version,
                requests: 20_000, questions: bothSides),
        ]
    }

    private static var increases: [Scenario] {
        let version = Traffic.Version(errorRate: 0.005)
        let even = Gate(.errorRateIncrease, limit: 1)
        let twice = Gate(.errorRateIncrease, limit: 2)
        let usual = Traffic.Version(logNormalFactor: 1)
        let latency = Gate(.p95Increase, limit: 1)
        return [
            Scenario(
                name: "max_error_rate_increase 1x, A/A, fresh users, 10 %", gates: [even], candidate: version, stable: version,
                share: 1_000, requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_error_rate_increase 1x, A/A, heavy-tailed, 10 %", gates: [even], users: .heavyTailed(count: 10_000),
                candidate: version,
                stable: version, share: 1_000, requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_error_rate_increase 1x, A/A, sessions, 10 %", gates: [even], users: .sessions, candidate: version,
                stable: version, share: 1_000, requests: 100_000, questions: bothSides),
            Scenario(
                name: "max_error_rate_increase 1x, A/A, 500 heavy-tailed, 10 %", gates: [even], users: .heavyTailed(count: 500),
                candidate: version,
                stable: version, share: 1_000, requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_error_rate_increase 1x, A/A, heavy-tailed, 1-50 %", gates: [even], users: .heavyTailed(count: 5_000),
                candidate: version,
                stable: version, isMoving: true, requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_error_rate_increase 2x at its limit, fresh, 1-50 %", gates: [twice],
                candidate: Traffic.Version(errorRate: 0.01),
                stable: version, isMoving: true, requests: 40_000, questions: bothSides),
            Scenario(
                name: "max_p95_increase 1x, A/A, fresh users, 10 %", gates: [latency], candidate: usual, stable: usual,
                share: 1_000,
                requests: 20_000, questions: bothSides),
            Scenario(
                name: "max_p95_increase 1x, A/A, heavy-tailed, 1-50 %", gates: [latency], users: .heavyTailed(count: 5_000),
                candidate: usual,
                stable: usual, isMoving: true, requests: 40_000, questions: bothSides),
        ]
    }

    /// The whole board of a release: all its limits exactly met at once.
    private static var boards: [Scenario] {
        let gates = [
            Gate(.p95Latency, limit: 250), Gate(.errorRate, limit: 0.01), Gate(.quality, limit: 0.85),
            Gate(.errorRateIncrease, limit: 1),
        ]
        let version = Traffic.Version(errorRate: 0.01, slowRate: 0.05, quality: 0.85)
        return [
            Scenario(
                name: "four gates at their limits, fresh users, 1-50 %", gates: gates, candidate: version, stable: version,
                isMoving: true,
                requests: 20_000, questions: [.falseAlarms(promise: 0.05), .falsePasses(promise: 0.025)]),
            Scenario(
                name: "four gates at their limits, heavy-tailed, 1-50 %", gates: gates, users: .heavyTailed(count: 5_000),
                candidate: version, stable: version,
                isMoving: true, requests: 20_000, questions: [.falseAlarms(promise: 0.05), .falsePasses(promise: 0.025)]),
        ]
    }

    private static var detections: [Scenario] {
        let errors = Gate(.errorRate, limit: 0.005)
        let slow = Gate(.p95Latency, limit: 250)
        let quality = Gate(.quality, limit: 0.85)
        let alpha = single.failAlpha
        return [
            Scenario(
                name: "max_error_rate 0.5 %, truth 5 %", gates: [errors], candidate: Traffic.Version(errorRate: 0.05),
                requests: 5_000,
                questions: [
                    .detection(wald: Wald.samples(telling: 0.05, from: 0.005, alpha: alpha), perRequestOfRoute: false, promise: 1.5)
                ]),
            Scenario(
                name: "max_error_rate 0.5 %, truth 5 %, 1 000 even users", gates: [errors], users: .even(count: 1_000),
                candidate: Traffic.Version(errorRate: 0.05), requests: 5_000,
                questions: [
                    .detection(wald: Wald.samples(telling: 0.05, from: 0.005, alpha: alpha), perRequestOfRoute: false, promise: 1.5)
                ]),
            Scenario(
                name: "max_p95_latency_ms, truth 20 % slow", gates: [slow], candidate: Traffic.Version(slowRate: 0.2),
                requests: 5_000,
                questions: [
                    .detection(wald: Wald.samples(telling: 0.2, from: 0.05, alpha: alpha), perRequestOfRoute: false, promise: 1.5)
                ]),
            Scenario(
                name: "min_quality_score 0.85, truth 0.6", gates: [quality], candidate: Traffic.Version(quality: 0.6),
                requests: 5_000,
                questions: [
                    .detection(wald: Wald.samples(telling: 0.6, from: 0.85, alpha: alpha), perRequestOfRoute: false, promise: 2)
                ]),
            regression(limit: 1, gates: 1, share: 1_000),
            regression(limit: 2, gates: 1, share: 1_000),
            regression(limit: 1, gates: 5, share: 1_000),
            Scenario(
                name: "max_error_rate 0.5 % passes, truth 0", gates: [errors], requests: 5_000,
                questions: [
                    .acceptance(
                        wald: Wald.samples(telling: 0, from: 0.005, alpha: single.passAlpha), perRequestOfRoute: false, promise: nil
                    )
                ]),
            Scenario(
                name: "max_error_rate 0.5 % passes, truth 0.25 %", gates: [errors], candidate: Traffic.Version(errorRate: 0.0025),
                requests: 60_000,
                questions: [
                    .acceptance(
                        wald: Wald.samples(telling: 0.0025, from: 0.005, alpha: single.passAlpha), perRequestOfRoute: false,
                        promise: nil)
                ]),
            Scenario(
                name: "max_error_rate 0.5 % passes, 0.25 %, 2 000 even users", gates: [errors], users: .even(count: 2_000),
                candidate: Traffic.Version(errorRate: 0.0025), requests: 60_000,
                questions: [
                    .acceptance(
                        wald: Wald.samples(telling: 0.0025, from: 0.005, alpha: single.passAlpha), perRequestOfRoute: false,
                        promise: nil)
                ]),
            Scenario(
                name: "min_quality_score 0.85 passes, truth 0.925", gates: [quality], candidate: Traffic.Version(quality: 0.925),
                requests: 5_000,
                questions: [
                    .acceptance(
                        wald: Wald.samples(telling: 0.925, from: 0.85, alpha: single.passAlpha), perRequestOfRoute: false,
                        promise: nil)
                ]),
            Scenario(
                name: "max_p95_latency_ms passes, truth 1 % slow", gates: [slow], candidate: Traffic.Version(slowRate: 0.01),
                requests: 5_000,
                questions: [
                    .acceptance(
                        wald: Wald.samples(telling: 0.01, from: 0.05, alpha: single.passAlpha), perRequestOfRoute: false,
                        promise: nil)
                ]),
        ]
    }

    /// A tenfold regression of a 0.5 % error rate, found by comparison alone. The bound counts all requests of the route: of the
    /// errors of both, the candidate's share is what tells them apart.
    private static func regression(limit: Double, gates count: Int, share: Int) -> Scenario {
        let gates =
            [Gate(.errorRateIncrease, limit: limit)]
            + Array(
                [
                    Gate(.p50Latency, limit: 3_000), Gate(.p95Latency, limit: 3_000), Gate(.p99Latency, limit: 3_000),
                    Gate(.quality, limit: 0.5),
                ].prefix(count - 1))
        let (base, worse, w) = (0.005, 0.05, Double(share) / 10_000)
        func candidateShare(_ ratio: Double) -> Double { w * ratio / (w * ratio + 1 - w) }
        let perRequest = (w * worse + (1 - w) * base) * Wald.divergence(candidateShare(worse / base), from: candidateShare(limit))
        let alpha = ErrorBudget(gates: gates).failAlpha
        return Scenario(
            name: "max_error_rate_increase \(Int(limit))x, 10x regression, 10 %, gates: \(count)", gates: gates,
            candidate: Traffic.Version(errorRate: worse), stable: Traffic.Version(errorRate: base), share: share, requests: 20_000,
            questions: [
                .detection(wald: Wald.samples(information: perRequest, alpha: alpha), perRequestOfRoute: true, promise: 1.5)
            ])
    }
}
