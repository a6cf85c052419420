import JSON
import Outcomes
import Routing
import Telemetry
import TestFolders
import Testing
import YAML

@testable import Experiments

/// What units earned, from feedback to the table that the gateway reads.
struct HistoryFoldTests {
    private static func plan() throws -> ExperimentPlan {
        let text = """
            experiment:
              name: companion
              route: chat
              variants:
                kind:  { url: "http://127.0.0.1:1/", share: 50% }
                brief: { url: "http://127.0.0.1:2/", share: 50% }
              allocation:
                strategy: lints
                features: { taste: { from: history } }
              metrics:
                primary: { name: liked, type: binary, minimum_effect: 0.05 }
              decision: { auto: none }
            """
        let node = try YAMLNode.documents(in: text, file: "e.yaml")[0].mapping("a resource").required("experiment")
        return ExperimentPlan(
            spec: try ExperimentSpec(node), unit: .header("X-User-Id"), cursor: .init(exposureSequence: 0, feedbackSequence: 0))
    }

    private static func score(_ unit: String, _ arm: Int, _ value: Double, previous: Double? = nil) -> Observation {
        let now = Timestamp(milliseconds: 1_800_000_000_000)
        return .scored(
            Score(
                route: RouteID(1), variant: VariantID(UInt8(5 + arm)), unit: UnitID(unit).hash, propensity: 5_000, metric: "liked",
                value: value, previous: previous, exposedAt: now, at: now))
    }

    private static func numbers(_ sticky: StickyFolder, _ unit: String) throws -> [Float] {
        var numbers = [Float](repeating: 0, count: 4)
        var span = numbers.mutableSpan
        try sticky.history(of: 1).read(unit: UnitID(unit).hash, arms: 2, into: &span, at: 0)
        return numbers
    }

    @Test func `feedback is in the table a moment later, corrections too, and a restart puts all of it there again`() throws {
        let plan = try Self.plan()
        var arms = ExperimentArms(plan.spec.variants)
        arms.note(ExperimentLayer(route: RouteID(1), arms: [VariantID(5), VariantID(6)]))
        let folder = TemporaryFolder()
        let sticky = StickyFolder(path: folder.path + "/units")
        var board = ExperimentBoard(plan, arms)
        let nothing = board.historyToPublish()
        #expect(nothing == nil)
        board.fold(
            [Self.score("ann", 0, 1), Self.score("ann", 0, 1), Self.score("bob", 0, 0), Self.score("bob", 1, 1)],
            upTo: plan.cursor, at: .now())
        let first = board.historyToPublish()
        let news = try #require(first)
        let rest = board.historyToPublish()
        #expect(news.rows.count == 2 && rest == nil)
        try sticky.history(of: 1).publish(news.rows, means: news.means)
        // Two likes where all gave 2 of 3: (2 - 2 * 2/3) / 3.
        let before = try Self.numbers(sticky, "ann")
        #expect(abs(before[0] - 2 / 9) < 1e-6 && before[2] == 0)

        // Ann thinks better of one of hers.
        board.fold([Self.score("ann", 0, 0, previous: 1)], upTo: plan.cursor, at: .now())
        let second = board.historyToPublish()
        let corrected = try #require(second)
        try sticky.history(of: 1).publish(corrected.rows, means: corrected.means)
        let ann = try Self.numbers(sticky, "ann")
        #expect(abs(ann[0] - (1 - 2 / 3) / 3) < 1e-6 && abs(ann[1] - 2 / 5) < 1e-6)

        var again = try ExperimentBoard(plan, arms, evidence: board.evidence)
        let all = again.historyToPublish(all: true)
        let whole = try #require(all)
        let other = StickyFolder(path: folder.path + "/other")
        try other.history(of: 1).publish(whole.rows, means: whole.means)
        for unit in ["ann", "bob", "eve"] {
            let (there, here) = (try Self.numbers(other, unit), try Self.numbers(sticky, unit))
            #expect(there == here)
        }
    }
}
