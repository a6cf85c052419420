import Outcomes
import Releases
import Statistics

/// One question to the gates, asked in many simulated releases.
struct Scenario: Sendable {
    enum Question: Sendable {
        /// How often does a gate fail, or (`pass`) pass, that must not? The truth is exactly at the limit, or A/A.
        case falseAlarms(promise: Double)
        case falsePasses(promise: Double?)
        /// How many samples until it fails? In multiples of Wald's bound for the candidate's (or all) requests.
        case detection(wald: Double, perRequestOfRoute: Bool, promise: Double?)
        /// The same for the good that must pass.
        case acceptance(wald: Double, perRequestOfRoute: Bool, promise: Double?)
    }

    var name: String
    var gates: [Gate]
    var users: Traffic.Users = .fresh
    var candidate = Traffic.Version()
    var stable = Traffic.Version()
    var share = 10_000
    /// Moves the candidate's share 1, 5, 25, 50 % over the run.
    var isMoving = false
    /// Requests of the route in one run.
    var requests: Int
    var questions: [Question]

    func traffic(seed: UInt64) -> Traffic {
        let steps = [(0, 100), (requests / 8, 500), (requests / 4, 2_500), (requests / 2, 5_000)]
        return Traffic(
            users: users, candidate: candidate, stable: stable, steps: isMoving ? steps : [(0, share)],
            isLabelled: gates.contains { $0.measure == .quality }, seed: seed)
    }
}

/// What one simulated release came to.
struct RunResult: Sendable {
    /// Requests of the candidate and of the route when the first gate failed; nil when none did.
    var failed: (candidate: Int64, route: Int)?
    /// When all gates stood at "pass" at once for the first time.
    var passed: (candidate: Int64, route: Int)?
}

extension Scenario {
    /// One release, watched after every answer. Failures are found by the board itself at every observation; passes are looked
    /// for after each of the first 200 answers and then whenever 0.5 % more have come.
    func run(seed: UInt64) -> RunResult {
        var traffic = traffic(seed: seed)
        var board = GateBoard(gates: gates, qualityMetric: "correct", candidate: Traffic.candidate, stable: Traffic.stable)
        var result = RunResult()
        var nextLook = 1
        let (seeksPass, seeksFail) = (seeksPass, seeksFail)
        for sent in 1...requests {
            let exposure = traffic.next()
            board.observe(.answered(exposure))
            if traffic.isLabelled, exposure.variant == Traffic.candidate { board.observe(.scored(traffic.label(of: exposure))) }
            if result.failed == nil, board.hasFailed {
                result.failed = (board.candidateRequests, sent)
                if !seeksPass { break }
            }
            guard seeksPass, result.passed == nil, sent >= nextLook else { continue }
            nextLook = sent + max(1, sent / 200)
            if board.outcomes().allSatisfy({ $0 == .pass }) {
                result.passed = (board.candidateRequests, sent)
                if !seeksFail { break }
            }
        }
        return result
    }

    private var seeksPass: Bool {
        questions.contains {
            switch $0 {
            case .falsePasses, .acceptance: true
            case .falseAlarms, .detection: false
            }
        }
    }

    private var seeksFail: Bool {
        questions.contains {
            switch $0 {
            case .falseAlarms, .detection: true
            case .falsePasses, .acceptance: false
            }
        }
    }
}
