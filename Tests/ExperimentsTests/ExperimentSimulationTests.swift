import Experiments
import JSON
import Testing

/// Whole experiments on users with a known truth.
@Suite struct ExperimentSimulationTests {
    private func simulation(_ figures: [Double], _ sharing: ExperimentSimulation.Sharing = .fixed([5_000, 5_000]))
        -> ExperimentSimulation
    {
        ExperimentSimulation(
            metric: Metric(name: "m", kind: .binary), users: SyntheticUsers(shape: .binary, figures: figures), sharing: sharing,
            visits: 3_000)
    }

    @Test func `the same seed gives the same experiments, on any number of cores`() async {
        let asked = simulation([0.2, 0.3], .leader(floor: 1_000, every: 50))
        let (one, two, other) = (await asked.runs(6, seed: 4), await asked.runs(6, seed: 4), await asked.runs(6, seed: 5))
        #expect(one == two && one != other)
    }

    @Test func `a large effect is found, the right way round, and stops early`() async {
        let summary = await SimulationSummary.of(simulation([0.2, 0.35]), runs: 20, seed: 2)
        #expect(summary.power > 0.9 && summary.wrongWinner == 0 && (summary.medianVisits ?? .max) < 2_500)
        #expect(summary.json["type_1_error"] == .null && summary.regret > 0)
    }

    @Test func `a bandit loses less than an even split`() async {
        let allocation = Allocation(strategy: .thompson, reweightEvery: 3_000)
        let even = await SimulationSummary.of(simulation([0.2, 0.35]), runs: 5, seed: 3)
        let moving = await SimulationSummary.of(simulation([0.2, 0.35], .bandit(allocation)), runs: 5, seed: 3)
        #expect(moving.regret < 0.6 * even.regret)
    }
}
