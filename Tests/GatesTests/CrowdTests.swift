import JSON
import Outcomes
import Releases
import Routing
import Statistics
import Testing

/// One user who sends ten times as much as 4 800 others together.
@Suite struct CrowdTests {
    static let others = 4_800 as UInt64
    static let heavy = 1_000_000 as UInt64

    /// The next user: the heavy one ten times out of eleven, then each of the others in turn.
    private static func unit(_ request: Int) -> UInt64 { request % 11 == 10 ? UInt64(request / 11) % others : heavy }

    /// Answers until the first gate failed; nil when none did.
    private static func answersToFailure(_ board: inout Board, atMost: Int, _ answer: (inout Board, UInt64) -> Void) -> Int? {
        for request in 0..<atMost {
            answer(&board, unit(request))
            if board.gates.hasFailed { return request + 1 }
        }
        return nil
    }

    @Test(arguments: [0.005, 0.01, 0.05])
    func `when everybody's requests fail, one user who sends most of them hides it for a few hundred answers at most`(limit: Double)
        throws
    {
        var board = Board(Gate(.errorRate, limit: limit), Gate(.coverage, limit: 0.01))
        let answers = try #require(Self.answersToFailure(&board, atMost: 5_000) { $0.answer(.upstreamError, unit: $1) })
        #expect(answers <= 250)
        #expect(board.verdict.reason.contains("left out are"))
        #expect(board.verdict.reason.contains("users who sent over a sixteenth"))
    }

    @Test func `when everybody waits, it is found as well`() throws {
        var board = Board(Gate(.p95Latency, limit: 250))
        let answers = try #require(Self.answersToFailure(&board, atMost: 5_000) { $0.answer(milliseconds: 900, unit: $1) })
        #expect(answers <= 400)
        #expect((board.verdict.evidence.seen ?? 0) > 850)
    }

    @Test func `when everybody's answers are wrong, it is found as well`() throws {
        var board = Board(Gate(.quality, limit: 0.85))
        let answers = try #require(Self.answersToFailure(&board, atMost: 5_000) { $0.label(0, unit: $1) })
        #expect(answers <= 400)
    }

    @Test func `a comparison hears the others too`() throws {
        var board = Board(Gate(.errorRateIncrease, limit: 2), seed: 3)
        let answers = Self.answersToFailure(&board, atMost: 40_000) { board, unit in
            // The heavy user and a tenth of the others are the candidate's.
            let isCandidate = unit == Self.heavy || unit % 10 == 0
            let isError = isCandidate || board.random.unit() < 0.01
            board.answer(
                isError ? .upstreamError : .success, unit: unit, by: isCandidate ? Board.candidate : Board.stable,
                share: isCandidate ? 1_000 : 9_000)
        }
        #expect(try #require(answers) <= 10_000)
    }

    @Test
    func `a user whose requests all succeed does not hide that a twentieth of the others' fail, and the verdict is about them`()
        throws
    {
        var board = Board(Gate(.errorRate, limit: 0.005), seed: 4)
        let answers = Self.answersToFailure(&board, atMost: 50_000) { board, unit in
            board.answer(unit != Self.heavy && board.random.unit() < 0.05 ? .upstreamError : .success, unit: unit)
        }
        #expect(try #require(answers) < 10_000)
        let evidence = board.verdict.evidence
        #expect((evidence.seen ?? 0) > 0.02 && (evidence.lower ?? 0) >= 0.005)
        #expect(evidence.samples < Int64(answers ?? 0) / 5)
    }

    @Test(arguments: 0..<3 as Range<UInt64>)
    func `one user alone neither rolls a release back nor lets it pass, whatever he sends`(seed: UInt64) {
        var board = Board(Gate(.errorRate, limit: 0.005), Gate(.quality, limit: 0.85), seed: seed)
        for request in 0..<10_000 {
            let unit = Self.unit(request)
            board.answer(unit == Self.heavy ? .upstreamError : .success, unit: unit)
            board.label(unit == Self.heavy ? 0 : 1, unit: unit)
        }
        #expect(board.gates.outcomes() == [.undecided, .undecided], "seed \(seed)")
    }

    @Test func `a version without a fault passes beside a user who sends most of the requests`() {
        var board = Board(Gate(.errorRate, limit: 0.005), Gate(.p95Latency, limit: 250), Gate(.quality, limit: 0.85))
        for request in 0..<12_000 {
            board.answer(unit: Self.unit(request))
            board.label(1, unit: Self.unit(request))
        }
        #expect(board.gates.outcomes() == [.pass, .pass, .pass])
        #expect(board.verdict.reason.contains("are judged apart"))
        #expect((board.verdict.evidence.upper ?? 1) <= 0.005)
    }

    @Test func `a board that is written and read in the middle goes on with the same crowd`() throws {
        let gates = [
            Gate(.errorRate, limit: 0.02), Gate(.p95Latency, limit: 100), Gate(.quality, limit: 0.8),
            Gate(.errorRateIncrease, limit: 2), Gate(.p95Increase, limit: 1.2),
        ]
        var board = GateBoard(gates: gates, qualityMetric: "correct", candidate: Board.candidate, stable: Board.stable)
        var restored = board
        var traffic = Board(seed: 5)
        for round in 0..<2 {
            for request in 0..<800 {
                let unit = Self.unit(round * 800 + request)
                let observation = traffic.random.observation(of: unit, isCandidate: unit == Self.heavy || unit % 3 == 0)
                board.observe(observation)
                restored.observe(observation)
            }
            #expect(restored.verdicts() == board.verdicts())
            restored = try JSONValue(parsing: JSONValue(encoding: board).canonicalText).decoded(as: GateBoard.self)
            #expect(restored.verdicts() == board.verdicts())
        }
    }

    @Test func `a corrected label takes the place of the one before it`() {
        var (corrected, right) = (Board(Gate(.quality, limit: 0.8)), Board(Gate(.quality, limit: 0.8)))
        for unit in 0..<40 as Range<UInt64> {
            corrected.label(0, unit: unit)
            corrected.label(1, unit: unit, previous: 0)
            right.label(1, unit: unit)
        }
        #expect(corrected.verdict.outcome == .undecided || corrected.verdict.outcome == .pass)
        #expect(corrected.verdict.evidence.samples == 40)
        #expect(corrected.verdict.evidence.seen == 1)
        let (one, other) = (corrected.verdict.evidence.logWealthAgainstBad, right.verdict.evidence.logWealthAgainstBad)
        #expect(abs(one - other) < 1e-9, "\(one) against \(other)")
    }
}
