import Outcomes
import Routing
import Telemetry
import Testing

@testable import Releases

struct `A watch` {
    private let start = Timestamp(milliseconds: 1_000_000)

    /// Sixty answers a second from `begin` on; `lag` is how much later their labels come, nil when none does.
    private func observe(_ board: inout WatchBoard, from begin: Duration, seconds: Int, lag: Duration?) {
        for number in 0..<60 * seconds {
            let at = start + begin + .milliseconds(number * 1_000 / 60)
            let exposure = Exposure(
                request: RequestID(instance: 1, loop: 0, sequence: UInt64(number), nonce: 0), route: RouteID(1),
                variant: VariantID(1), kind: .success, status: 200, propensity: 10_000, unit: UInt64(number), tablePosition: 1,
                at: at, latencyMicroseconds: 1_000, bytesIn: 1, bytesOut: 1)
            board.observe(.answered(exposure))
            guard let lag else { continue }
            board.observe(
                .scored(
                    Score(
                        route: RouteID(1), variant: VariantID(1), unit: UInt64(number), metric: "correct", value: 1,
                        exposedAt: at, at: at + lag)))
        }
    }

    @Test func `tells of a metric that stops while requests go on`() {
        var board = WatchBoard(Fixture.watch, plan: Fixture.plan(gates: [Gate(.quality, limit: 0.8)]))
        observe(&board, from: .zero, seconds: 10, lag: .seconds(1))
        #expect(board.silence(at: start + .seconds(10)) == nil)
        observe(&board, from: .seconds(10), seconds: 310, lag: nil)
        #expect(board.silence(at: start + .seconds(309)) == nil, "five minutes have not passed since a label was due")
        #expect(board.silence(at: start + .seconds(320)) != nil)
    }

    @Test func `does not take the first labels after a quiet night for late`() {
        var board = WatchBoard(Fixture.watch, plan: Fixture.plan(gates: [Gate(.quality, limit: 0.8)]))
        observe(&board, from: .zero, seconds: 10, lag: .seconds(1))
        observe(&board, from: .seconds(8 * 3_600), seconds: 20, lag: nil)
        #expect(board.silence(at: start + .seconds(8 * 3_600 + 20)) == nil)
    }

    @Test func `a restart that reads labels before their answers takes none of them for missing`() {
        var board = WatchBoard(Fixture.watch, plan: Fixture.plan(gates: [Gate(.quality, limit: 0.8)]))
        func label(at moment: Duration) {
            board.observe(
                .scored(
                    Score(
                        route: RouteID(1), variant: VariantID(1), unit: 1, metric: "correct", value: 1, exposedAt: start,
                        at: start + moment)))
        }
        for second in 0..<3_600 { label(at: .seconds(second)) }
        observe(&board, from: .zero, seconds: 60, lag: nil)
        #expect(board.silence(at: start + .seconds(3_600)) == nil)
        observe(&board, from: .seconds(3_600), seconds: 310, lag: nil)
        #expect(board.silence(at: start + .seconds(3_920)) != nil, "and what is missing is missed")
    }

    @Test func `a metric that no gate judges may fall silent`() {
        var board = WatchBoard(Fixture.watch, plan: Fixture.plan(gates: [Gate(.errorRate, limit: 0.01)]))
        observe(&board, from: .zero, seconds: 10, lag: .seconds(1))
        observe(&board, from: .seconds(10), seconds: 310, lag: nil)
        #expect(board.silence(at: start + .seconds(320)) == nil)
    }

    @Test func `a corrected label is one label`() {
        var board = WatchBoard(Fixture.watch, plan: Fixture.plan())
        for (value, previous) in [(0.0, nil as Double?), (1, 0), (0.5, 1)] {
            board.observe(
                .scored(
                    Score(
                        route: RouteID(1), variant: VariantID(1), unit: 7, metric: "correct", value: value, previous: previous,
                        exposedAt: start, at: start)))
        }
        let tally = board.look(since: 0).candidate
        #expect(tally.labels == 1 && tally.labelSum == 0.5)
    }
}
