import Outcomes
import Releases
import Statistics

/// One user sends ten times as much as all others together.
extension Scenario {
    private static let errors = Gate(.errorRate, limit: 0.005)
    private static let slow = Gate(.p95Latency, limit: 250)
    private static let quality = Gate(.quality, limit: 0.92)
    private static let single = ErrorBudget(gates: [errors])
    private static func users(_ trouble: Traffic.Trouble) -> Traffic.Users { .oneHeavy(count: 4_800, trouble: trouble) }

    private static var fails: Question { .falseAlarms(promise: single.failAlpha) }
    private static var passes: Question { .falsePasses(promise: single.passAlpha) }

    static var crowds: [Scenario] {
        let erring = Traffic.Version(errorRate: 0.005)
        // What all others do is the limit, and what all do a good deal less.
        let part = 1 / (1 + Traffic.oneHeavyMultiple)
        return [
            Scenario(
                name: "max_error_rate 0.5 % at its limit, one sends most", gates: [errors], users: users(.anybody),
                candidate: erring, requests: 60_000, questions: [fails, passes]),
            Scenario(
                name: "max_error_rate 0.5 % at its limit, only one who sends most fails", gates: [errors],
                users: users(.heavyAlone), candidate: erring, requests: 60_000, questions: [fails, passes]),
            Scenario(
                name: "max_error_rate 0.5 %, one who sends most fails at 5 %", gates: [errors], users: users(.heavyAlone),
                candidate: Traffic.Version(errorRate: 0.05), requests: 60_000, questions: [fails, passes]),
            Scenario(
                name: "max_error_rate 0.5 %, all but one who sends most at the limit", gates: [errors],
                users: users(.othersAlone), candidate: Traffic.Version(errorRate: 0.005 * part), requests: 60_000,
                questions: [fails]),
            Scenario(
                name: "max_p95_latency_ms at its limit, one sends most", gates: [slow], users: users(.anybody),
                candidate: Traffic.Version(slowRate: 0.05), requests: 40_000, questions: [fails, passes]),
            Scenario(
                name: "min_quality_score 0.92 at its limit, one sends most", gates: [quality], users: users(.anybody),
                candidate: Traffic.Version(quality: 0.92), requests: 40_000, questions: [fails, passes]),
        ]
            + [Traffic.Trouble.anybody, .heavyAlone, .othersAlone].flatMap { trouble in
                [false, true].map { isMoving in
                    Scenario(
                        name:
                            "max_error_rate_increase 1x, A/A, one sends most, \(trouble.rawValue) fail, \(isMoving ? "1-50 %" : "10 %")",
                        gates: [Gate(.errorRateIncrease, limit: 1)], users: users(trouble), candidate: erring, stable: erring,
                        share: 1_000, isMoving: isMoving, requests: 60_000, questions: [fails, passes])
                }
            }
    }

    /// In multiples of what Wald's bound is in answers of the others, of whom one comes in eleven.
    static var crowdDetections: [Scenario] {
        let others = 1 + Traffic.oneHeavyMultiple
        func wald(_ truth: Double, _ limit: Double, _ alpha: Double) -> Double {
            others * Wald.samples(telling: truth, from: limit, alpha: alpha)
        }
        return [
            Scenario(
                name: "max_error_rate 0.5 %, truth 100 %, one sends most", gates: [errors], users: users(.anybody),
                candidate: Traffic.Version(errorRate: 1), requests: 5_000,
                questions: [.detection(wald: wald(0.999_9, 0.005, single.failAlpha), perRequestOfRoute: false, promise: nil)]),
            Scenario(
                name: "max_error_rate 0.5 %, truth 5 %, one sends most", gates: [errors], users: users(.anybody),
                candidate: Traffic.Version(errorRate: 0.05), requests: 10_000,
                questions: [.detection(wald: wald(0.05, 0.005, single.failAlpha), perRequestOfRoute: false, promise: 1.75)]),
            Scenario(
                name: "max_error_rate 0.5 %, 5 % of all but one's, who sends most", gates: [errors], users: users(.othersAlone),
                candidate: Traffic.Version(errorRate: 0.05 / others), requests: 10_000,
                questions: [.detection(wald: wald(0.05, 0.005, single.failAlpha), perRequestOfRoute: false, promise: 1.75)]),
            Scenario(
                name: "max_p95_latency_ms, truth 20 % slow, one sends most", gates: [slow], users: users(.anybody),
                candidate: Traffic.Version(slowRate: 0.2), requests: 10_000,
                questions: [.detection(wald: wald(0.2, 0.05, single.failAlpha), perRequestOfRoute: false, promise: 1.75)]),
            Scenario(
                name: "max_error_rate 0.5 % passes, truth 0, one sends most", gates: [errors], users: users(.anybody),
                requests: 40_000,
                questions: [.acceptance(wald: wald(0, 0.005, single.passAlpha), perRequestOfRoute: false, promise: nil)]),
        ]
    }
}
