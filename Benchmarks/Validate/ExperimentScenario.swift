import Experiments
import Statistics

/// One question to an experiment's analysis, asked in many simulated experiments.
struct ExperimentScenario: Sendable {
    enum Question: Sendable {
        /// How often is a difference called? There is none.
        case falseAlarms
        /// How often is a variant named that is not the best?
        case wrongWinners(promise: Double)
        /// How often is the best one found by the end, where a textbook test looked at once would find it with `textbook`?
        case power(atLeast: Double)
        /// Median units to the decision, in multiples of Wald's bound (and beside what a textbook test of power 80 % takes).
        case decision(wald: Double, textbook: Double, promise: Double)
    }

    var name: String
    var simulation: ExperimentSimulation
    var question: Question
}

extension ExperimentScenario {
    func row(runs: Int, seed: UInt64) async -> Row {
        let results = await simulation.runs(runs, seed: seed)
        let figures = simulation.users.figures
        let best = (simulation.metric.direction == .up ? figures.max() : figures.min()) ?? 0
        switch question {
        case .falseAlarms:
            let called = results.count(where: \.differs)
            return Row.rate(name, "differs", happened: called, of: results.count, promise: simulation.alpha)
        case .wrongWinners(let promise):
            let wrong = results.count { $0.winner.map { figures[$0] != best } ?? false }
            return Row.rate(name, "wrong winner", happened: wrong, of: results.count, promise: promise)
        case .power(let least):
            let missed = results.count { !($0.winner.map { figures[$0] == best } ?? false) }
            return Row.rate(name, "not found", happened: missed, of: results.count, promise: 1 - least)
        case .decision(let wald, let textbook, let promise):
            let times = results.filter { $0.outcome != .undecided }.map { Double($0.visits) }
            var row = Row.multiple(name, "median to decide", samples: times, runs: results.count, wald: wald, promise: promise)
            let ofTextbook = row.value.isFinite ? Int((row.value * wald / textbook * 100).rounded()) : 0
            row.detail += ", textbook test \(Int(textbook)): \(ofTextbook) % of it"
            return row
        }
    }
}
