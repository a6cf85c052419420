import JSON
import Outcomes
import Releases
import Routing
import Statistics
import Telemetry
import Testing

@Suite struct GateBoardTests {
    @Test(arguments: Gate.Measure.allCases)
    func `no data is neither pass nor fail, and says what is missing`(measure: Gate.Measure) {
        let board = Board(Gate(measure, limit: measure == .quality ? 0.9 : measure == .errorRate ? 0.01 : 0.5))
        #expect(board.verdict.outcome == .undecided)
        #expect(board.verdict.evidence.seen == nil)
        #expect(!board.verdict.reason.isEmpty)
    }

    @Test func `a clean candidate passes when the wealth says so, and not one answer earlier`() {
        var board = Board(Gate(.errorRate, limit: 0.005))
        for _ in 0..<900 { board.answer() }
        #expect(board.verdict.outcome == .undecided)
        // 913 in truth; units that share a cell by chance cost at most a few more.
        for _ in 0..<50 { board.answer() }
        #expect(board.verdict.outcome == .pass)
        #expect(board.verdict.evidence.seen == 0)
        #expect((board.verdict.evidence.upper ?? 1) <= 0.005)
    }

    @Test func `a failure is for ever, with the evidence it failed on`() throws {
        var board = Board(Gate(.errorRate, limit: 0.005))
        for _ in 0..<30 { board.answer(.upstreamError) }
        let failed = board.verdict
        #expect(failed.outcome == .fail)
        #expect(failed.evidence.samples < 10)
        for _ in 0..<20_000 { board.answer() }
        #expect(board.verdict == failed)
        #expect(board.gates.hasFailed)
    }

    @Test func `a version that hangs until its clients give up is slow, and who gave up sooner says nothing`() {
        var board = Board(Gate(.p95Latency, limit: 250))
        for _ in 0..<200 { board.answer(.clientFault, milliseconds: 100, status: 499) }
        #expect(board.verdict.evidence.samples == 0)
        for _ in 0..<10 { board.answer(.clientFault, milliseconds: 2_000, status: 400) }
        #expect(board.verdict.evidence.samples == 0, "a slow refusal is the client's fault")
        for _ in 0..<10 { board.answer(.clientFault, milliseconds: 2_000, status: 499) }
        #expect(board.verdict.outcome == .fail)
        #expect((board.verdict.evidence.seen ?? 0) > 1_900)

        var compared = Board(Gate(.p95Increase, limit: 2))
        for number in 0..<400 {
            compared.answer(milliseconds: Double(20 + number % 40), by: Board.stable, share: 5_000)
            compared.answer(.clientFault, milliseconds: 2_000, share: 5_000, status: 499)
        }
        #expect(compared.verdict.outcome == .fail)
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `verdicts do not depend on when they were asked for`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var (asked, silent) = (Board(Gate(.errorRate, limit: 0.05)), Board(Gate(.errorRate, limit: 0.05)))
        for _ in 0..<500 {
            let kind: AnswerKind = random.unit() < 0.09 ? .upstreamError : .success
            asked.answer(kind)
            silent.answer(kind)
            if random.unit() < 0.2 { _ = asked.gates.verdicts() }
        }
        #expect(asked.gates.verdicts() == silent.gates.verdicts())
    }

    @Test(arguments: 0..<5 as Range<UInt64>)
    func `a board that is written and read again goes on as if nothing had happened`(seed: UInt64) throws {
        let gates = [
            Gate(.errorRate, limit: 0.02), Gate(.p95Latency, limit: 100), Gate(.quality, limit: 0.8),
            Gate(.errorRateIncrease, limit: 2),
            Gate(.p95Increase, limit: 1.2), Gate(.coverage, limit: 0.05),
        ]
        var board = GateBoard(gates: gates, qualityMetric: "correct", candidate: Board.candidate, stable: Board.stable)
        var restored = board
        var traffic = Board(seed: seed)
        for round in 0..<2 {
            for step in 0..<1_500 {
                let isCandidate = traffic.random.unit() < 0.3
                let observation = traffic.random.observation(of: UInt64(round * 10_000 + step % 700), isCandidate: isCandidate)
                board.observe(observation)
                restored.observe(observation)
            }
            #expect(restored.verdicts() == board.verdicts())
            restored = try JSONValue(parsing: JSONValue(encoding: board).canonicalText).decoded(as: GateBoard.self)
            #expect(restored.verdicts() == board.verdicts())
        }
    }

    @Test func `client faults count neither as errors nor as answers`() {
        var board = Board(Gate(.errorRate, limit: 0.005), Gate(.p95Latency, limit: 100))
        for _ in 0..<412 { board.answer(.clientFault, milliseconds: 1) }
        for verdict in board.gates.verdicts() {
            #expect(verdict.outcome == .undecided)
            #expect(verdict.reason.contains("412 were client faults"))
        }
        #expect(board.gates.candidateRequests == 412)
    }

    @Test func `latency is that of successes, and a time-out is slow`() {
        var board = Board(Gate(.p95Latency, limit: 250))
        for _ in 0..<400 { board.answer(.upstreamError, milliseconds: 1) }
        #expect(board.verdict.evidence.samples == 0)
        for _ in 0..<20 { board.answer(.timedOut, milliseconds: 30) }
        #expect(board.verdict.outcome == .fail)
    }

    @Test(arguments: [(Gate.Measure.p50Latency, 0.5), (.p95Latency, 0.05), (.p99Latency, 0.01)])
    func `a latency gate passes with its quantile and its interval below the limit`(measure: Gate.Measure, share: Double) throws {
        var board = Board(Gate(measure, limit: 250))
        for request in 0..<3_000 { board.answer(milliseconds: 20 + Double(request % 1_000) / 10) }
        let evidence = board.verdict.evidence
        #expect(board.verdict.outcome == .pass)
        let truth = 20 + (1 - share) * 100
        #expect(abs(try #require(evidence.seen) / truth - 1) < 0.03)
        #expect(try #require(evidence.lower) < truth && truth < (try #require(evidence.upper)))
        #expect(try #require(evidence.upper) <= 250)
    }

    @Test func `quality judges only its own metric, only the candidate, only values from 0 to 1`() {
        var board = Board(Gate(.quality, limit: 0.85))
        for _ in 0..<300 {
            board.label(0, metric: "clicks")
            board.label(0, of: Board.stable)
            board.label(1.5)
            board.label(.nan)
        }
        #expect(board.verdict.outcome == .undecided)
        #expect(board.verdict.reason.contains("600 labels outside 0 to 1 were refused"))
        #expect(board.verdict.evidence.samples == 0)
        for _ in 0..<200 { board.label(1) }
        #expect(board.verdict.outcome == .pass)
    }

    @Test func `coverage passes on counts, waits below its limit and never fails`() {
        var board = Board(Gate(.coverage, limit: 0.05))
        for _ in 0..<960 { board.answer(by: Board.stable, share: 9_900) }
        for _ in 0..<40 { board.answer(share: 100) }
        #expect(board.verdict.outcome == .undecided)
        #expect(
            board.verdict.reason
                == "needs about 11 more requests to the candidate: it has 4.00 % (40 of the route's 1 000 requests)")
        for _ in 0..<11 { board.answer(share: 100) }
        #expect(board.verdict.outcome == .pass)
    }

    @Test func `an increase is found by comparison, while the split moves`() {
        var board = Board(Gate(.errorRateIncrease, limit: 2), seed: 11)
        for _ in 0..<3_000 { board.request(share: 100, errors: (0.08, 0.005)) }
        for _ in 0..<3_000 { board.request(share: 1_000, errors: (0.08, 0.005)) }
        #expect(board.verdict.outcome == .fail)
        #expect((board.verdict.evidence.lower ?? 0) >= 2)
    }

    @Test func `a version that never fails passes a comparison without a single error on either side`() {
        var board = Board(Gate(.errorRateIncrease, limit: 2), seed: 12)
        for _ in 0..<12_000 { board.request(share: 5_000, errors: (0, 0)) }
        #expect(board.verdict.outcome == .pass)
        #expect(board.verdict.reason.contains("0 of"))
    }

    @Test func `a slower candidate is found against the stable version's p95`() {
        var board = Board(Gate(.p95Increase, limit: 1.1), seed: 13)
        for _ in 0..<4_000 {
            let isCandidate = board.random.unit() < 0.2
            let base = 20 + 80 * board.random.unit()
            board.answer(
                milliseconds: isCandidate ? 1.5 * base : base, by: isCandidate ? Board.candidate : Board.stable,
                share: isCandidate ? 2_000 : 8_000)
        }
        #expect(board.verdict.outcome == .fail)
        #expect(abs((board.verdict.evidence.seen ?? 0) - 1.5) < 0.3)
    }

    @Test func `one user whose every request fails cannot roll a release back alone, five can`() {
        var board = Board(Gate(.errorRate, limit: 0.005))
        for _ in 0..<1_000 { board.answer(.upstreamError, unit: 1) }
        #expect(board.verdict.outcome == .undecided)
        #expect(board.verdict.reason.contains("992 of these answers came from users who sent over a sixteenth of them"))
        for unit in 2..<6 as Range<UInt64> { for _ in 0..<1_000 { board.answer(.upstreamError, unit: unit) } }
        #expect(board.verdict.outcome == .fail)
    }

    @Test func `the error budget is divided over the gates that measure`() {
        let one = ErrorBudget(gates: [Gate(.errorRate, limit: 0.01), Gate(.coverage, limit: 0.1)])
        let five = ErrorBudget(gates: Gate.Measure.allCases.filter { $0 != .coverage }.prefix(5).map { Gate($0, limit: 0.5) })
        #expect(one.failAlpha == 0.025)
        #expect(abs(five.failAlpha - 0.01) < 1e-15)
        #expect(one.passAlpha == 0.025 && five.passAlpha == 0.025)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `an interval never contradicts the verdict beside it`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var board = Board(Gate(.errorRate, limit: 0.05), Gate(.quality, limit: 0.8), Gate(.p95Latency, limit: 100), seed: seed)
        let (errors, wrong, slow) = (0.15 * random.unit(), 0.4 * random.unit(), 0.15 * random.unit())
        for _ in 0..<400 {
            board.answer(random.unit() < errors ? .upstreamError : .success, milliseconds: random.unit() < slow ? 200 : 50)
            board.label(random.unit() < wrong ? 0 : 1)
        }
        for verdict in board.gates.verdicts() {
            let (lower, upper) = (verdict.evidence.lower ?? -.infinity, verdict.evidence.upper ?? .infinity)
            let isAbove = verdict.gate == "min_quality_score" ? VerdictOutcome.pass : .fail
            if verdict.outcome == isAbove { #expect(lower >= verdict.limit) }
            if verdict.outcome != isAbove, verdict.outcome != .undecided { #expect(upper <= verdict.limit) }
        }
    }
}

extension SplitMix64 {
    /// Something that could happen on a route.
    mutating func observation(of user: UInt64, isCandidate: Bool) -> Observation {
        if isCandidate, unit() < 0.3 {
            return .scored(
                Score(
                    route: .init(0), variant: Board.candidate, unit: user, metric: "correct", value: unit() < 0.8 ? 1 : 0.25,
                    exposedAt: .init(milliseconds: 0), at: .init(milliseconds: 0)))
        }
        return .answered(
            Exposure(
                request: RequestID(instance: 0, loop: 0, sequence: user, nonce: 0), route: .init(0),
                variant: isCandidate ? Board.candidate : Board.stable, kind: unit() < 0.03 ? .upstreamError : .success,
                status: 200, propensity: isCandidate ? 3_000 : 7_000, unit: user, tablePosition: 0, at: .init(milliseconds: 0),
                latencyMicroseconds: UInt32(unit() * 120_000), bytesIn: 0, bytesOut: 0))
    }
}
