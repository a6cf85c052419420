import Glibc
import Outcomes
import Releases
import Statistics

/// Runs every scenario as often as asked, on all cores. Each run has its own seed, so that the table depends on `--seed` and
/// `--runs` alone.
struct Simulation: Sendable {
    let options: Options

    func rows() async -> [Row] {
        var rows: [Row] = []
        for (place, scenario) in Scenario.all.enumerated() where options.only.isEmpty || scenario.name.contains(options.only) {
            let started = ContinuousClock.now
            let line = ProgressLine("gates, \(place + 1) of \(Scenario.all.count)  \(scenario.name)", runs: options.runs)
            let results = await results(of: scenario, place: place, line)
            let answers = scenario.questions.map { row(scenario, $0, results) }
            line.end(started.duration(to: .now), isKept: answers.allSatisfy(\.isKept))
            rows += answers
        }
        return rows
    }

    private func results(of scenario: Scenario, place: Int, _ line: ProgressLine) async -> [RunResult] {
        let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let runs = options.runs
        // Mixed, because seeds that differ by a step of the generator would give the same numbers, shifted.
        var mixer = SplitMix64(seed: options.seed)
        let seed = mixer.next() &+ UInt64(place) << 40
        return await withTaskGroup(of: [RunResult].self) { group in
            for core in 0..<cores {
                group.addTask {
                    stride(from: core, to: runs, by: cores).map { run in
                        defer { line.ran() }
                        return scenario.run(seed: seed &+ UInt64(run))
                    }
                }
            }
            var all: [RunResult] = []
            for await part in group { all += part }
            return all
        }
    }

    private func row(_ scenario: Scenario, _ question: Scenario.Question, _ results: [RunResult]) -> Row {
        switch question {
        case .falseAlarms(let promise):
            let failed = results.filter { $0.failed != nil }.count
            return Row.rate(scenario.name, "fails", happened: failed, of: results.count, promise: promise)
        case .falsePasses(let promise):
            let passed = results.filter { $0.passed != nil }.count
            return Row.rate(scenario.name, "passes", happened: passed, of: results.count, promise: promise)
        case .detection(let wald, let isRoute, let promise):
            let times = results.compactMap { $0.failed.map { isRoute ? Double($0.route) : Double($0.candidate) } }
            return Row.multiple(scenario.name, "median to fail", samples: times, runs: results.count, wald: wald, promise: promise)
        case .acceptance(let wald, let isRoute, let promise):
            let times = results.compactMap { $0.passed.map { isRoute ? Double($0.route) : Double($0.candidate) } }
            return Row.multiple(scenario.name, "median to pass", samples: times, runs: results.count, wald: wald, promise: promise)
        }
    }

    func experimentRows() async -> [Row] {
        var rows: [Row] = []
        for (place, scenario) in ExperimentScenario.all.enumerated()
        where options.only.isEmpty || scenario.name.contains(options.only) {
            let started = ContinuousClock.now
            let line = ProgressLine(
                "experiments, \(place + 1) of \(ExperimentScenario.all.count)  \(scenario.name)", runs: options.runs)
            let row = await scenario.row(runs: options.runs, seed: options.seed &* 1_000 &+ UInt64(place))
            line.end(started.duration(to: .now), isKept: row.isKept)
            rows.append(row)
        }
        return rows
    }
}
