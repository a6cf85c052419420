import Outcomes
import Releases
import Testing

@Suite struct VerdictSentenceTests {
    @Test func `a failed quality gate reads like the example`() {
        var board = Board(Gate(.quality, limit: 0.85), Gate(.errorRate, limit: 0.01), Gate(.p95Latency, limit: 250))
        for step in 0..<141 { board.label(step % 15 < 8 ? 1 : 0) }
        let verdict = board.verdict
        #expect(verdict.outcome == .fail)
        #expect(verdict.reason.hasSuffix("labelled answers is below 0.85"))
        #expect(verdict.reason.contains(" ["))
        #expect(verdict.whatWouldChange.hasPrefix("would have passed with at least 0.85"))
    }

    @Test func `an undecided gate says about how many more it needs, and is right about it`() throws {
        var board = Board(Gate(.quality, limit: 0.85))
        for step in 0..<60 { board.label(step % 12 == 0 ? 0 : 1) }
        #expect(board.verdict.outcome == .undecided)
        #expect(board.verdict.reason.hasPrefix("needs about "))
        #expect(board.verdict.reason.hasSuffix(" more labels"))
        let more = try #require(board.verdict.evidence.statistics["more_needed"])
        for step in 0..<Int(1.5 * more) { board.label(step % 12 == 0 ? 0 : 1) }
        #expect(board.verdict.outcome == .pass)
    }

    @Test func `a clean candidate is told how many more answers it takes`() throws {
        var board = Board(Gate(.errorRate, limit: 0.005))
        for _ in 0..<400 { board.answer() }
        #expect(board.verdict.reason == "needs about 520 more answers")
        #expect(board.verdict.whatWouldChange == "would be decided by about 520 more answers like those seen")
    }

    @Test func `passes and failures of each kind`() {
        var board = Board(Gate(.errorRate, limit: 0.01), Gate(.p95Latency, limit: 250))
        for step in 0..<2_113 { board.answer(step % 1_000 == 7 ? .upstreamError : .success, milliseconds: 30 + Double(step % 20)) }
        let verdicts = board.gates.verdicts()
        #expect(verdicts[0].outcome == .pass)
        #expect(verdicts[0].reason.hasPrefix("0.14 % [0.0"))
        #expect(verdicts[0].reason.hasSuffix("over 2 113 answers is below 1 %"))
        #expect(verdicts[1].reason.hasPrefix("48 ms ["))
        #expect(verdicts[1].reason.hasSuffix("over 2 110 answers is below 250 ms"))
        #expect(verdicts[0].whatWouldChange.hasPrefix("would not have passed under a limit below 0."))
    }

    @Test func `no labels after many requests points at the product`() {
        var board = Board(Gate(.quality, limit: 0.85))
        #expect(board.verdict.reason == "no answers yet")
        for _ in 0..<2_113 { board.answer() }
        #expect(board.verdict.reason == "no labelled answers yet, after 2 113 requests")
        #expect(board.verdict.whatWouldChange == "would be decided by labels: there are none yet")
    }
}
