import Arguments
import ControlPlane
import Experiments
import Faults
import JSON
import YAML

/// `openclaw experiment simulate`: what an experiment would do, by running its own analysis and allocation on users with a known truth.
enum ExperimentSimulate {
    static let command = Command(
        "experiment simulate", summary: "Run an experiment on synthetic users with given effects",
        discussion: """
            Simulates whole experiments with the code that conducts live ones, and prints how often they find the difference, how \
            often they find one that is not there, and when. With FILE the primary metric, the variants, the allocation and alpha \
            are the file's; the truth is given by --baseline and --effect.

              openclaw experiment simulate --metric binary --baseline 0.1 --effect 0.02 --units 20000
              openclaw experiment simulate experiment.yaml --baseline 0.3 --effect 0.05 --runs 500
            """,
        parameters: [
            .operand("FILE", "An experiment's file", required: false),
            .option("metric", "TYPE", "binary, count, mean, ratio or quantile; standard binary"),
            .option("baseline", "X", "Control's true figure; standard 0.1"),
            .option(
                "effect", "[NAME=]X", "How much more a variant has; one for each beside control, by name or in order", repeats: true
            ),
            .option("deviation", "X", "Of one value around a mean; standard 1"),
            .option("minimum-effect", "X", "What matters: tightest there, and `equivalent` within it"),
            .option("strategy", "NAME", "fixed, thompson, top_two or epsilon_greedy; standard fixed"),
            .option("units", "N", "Units after which an experiment ends undecided; standard 10000"),
            .option("runs", "N", "Experiments; standard 1000"), .option("alpha", "A", "Standard 0.05"),
            .option("seed", "N", "Standard 1"),
        ]
    ) { invocation in
        let asked = try simulation(invocation)
        let runs = Int(try invocation.number("runs", within: 10, 1_000_000) ?? 1_000)
        let seed = UInt64(try invocation.number("seed", within: 0, 9e15) ?? 1)
        let output = Output(invocation)
        let summary = await SimulationSummary.of(asked, runs: runs, seed: seed) { done in
            if output.isTerminal, !output.isJSON { output.remark("\(done) of \(runs) experiments") }
        }
        output.show(summary.json) { style in text(summary, style) }
    }

    private static func simulation(_ invocation: Invocation) throws(Fault) -> ExperimentSimulation {
        let spec = try spec(invocation)
        let kindName = invocation.value("metric") ?? "binary"
        guard let kind = spec?.metrics.primary.kind ?? Metric.Kind(rawValue: kindName) else {
            throw Fault(
                .usage, what: "'\(kindName)' is not a type of metric",
                why: "there are \(Metric.Kind.allCases.map(\.rawValue).joined(separator: ", "))", fix: "name one of them")
        }
        let baseline = try invocation.number("baseline", within: -1e12, 1e12) ?? 0.1
        let effects = try effects(invocation, names: spec?.variants.dropFirst().map(\.name))
        let figures = [baseline] + effects.map { baseline + $0 }
        if kind == .binary, figures.contains(where: { $0 < 0 || $0 > 1 }) {
            throw Fault(
                .usage, what: "a share of ones cannot be \(figures.first { $0 < 0 || $0 > 1 } ?? 0)",
                why: "baseline and effects of a binary metric lie within 0 and 1", fix: "change --baseline or --effect")
        }
        if kind != .binary, kind != .mean, figures.contains(where: { $0 <= 0 }) {
            throw Fault(
                .usage, what: "a \(kind.rawValue) cannot be simulated at zero or below", why: "its values are positive",
                fix: "change --baseline or --effect")
        }
        var metric = spec?.metrics.primary ?? Metric(name: kindName, kind: kind)
        if let effect = try invocation.number("minimum-effect", within: 1e-12, 1e12) { metric.minimumEffect = effect }
        if kind == .quantile, metric.quantile == nil { metric.quantile = 0.5 }
        let deviation = try invocation.number("deviation", within: 1e-12, 1e12) ?? 1
        let shape: SyntheticUsers.Shape =
            switch kind {
            case .binary: .binary
            case .count: .count(dispersion: 1)
            case .mean: .normal(deviation: deviation)
            case .ratio: .ratio
            case .quantile: .logNormal(sigma: 0.5)
            }
        return ExperimentSimulation(
            metric: metric, users: SyntheticUsers(shape: shape, figures: figures),
            sharing: try sharing(invocation, spec, arms: figures.count),
            alpha: try invocation.number("alpha", within: 1e-9, 0.5) ?? spec?.decision.alpha ?? 0.05,
            visits: Int(try invocation.number("units", within: 100, 10_000_000) ?? 10_000))
    }

    private static func spec(_ invocation: Invocation) throws(Fault) -> ExperimentSpec? {
        guard let path = invocation.value("FILE") else { return nil }
        let file = try ResourceFile(reading: path)
        for document in try YAMLNode.documents(in: file.text, file: file.name) {
            if let node = try document.mapping("a resource")["experiment"] { return try ExperimentSpec(node) }
        }
        throw Fault(
            .badConfiguration, what: "\(path) has no experiment", why: "no document of it begins with `experiment:`",
            fix: "name the experiment's file, or leave it out and use --metric")
    }

    /// `--effect 0.02` in the order of the variants, or `--effect friendlier=0.02`, then those that are not named have none.
    private static func effects(_ invocation: Invocation, names: [String]?) throws(Fault) -> [Double] {
        let given = invocation.values("effect")
        let named = given.filter { $0.contains("=") }
        guard named.isEmpty || named.count == given.count else {
            throw Fault(
                .usage, what: "some effects are named and others are not", why: "it cannot be told whose the others are",
                fix: "name all of them, or none")
        }
        guard !named.isEmpty else {
            let effects = try given.map { text throws(Fault) in try effect(text, text) }
            guard let names, !effects.isEmpty else {
                return effects.isEmpty ? Array(repeating: 0, count: names?.count ?? 1) : effects
            }
            guard effects.count == names.count else {
                throw Fault(
                    .usage, what: "\(effects.count) effects are given for \(names.count) variants beside control",
                    why: "the file decides how many there are", fix: "give --effect once for each, in the file's order or by name")
            }
            return effects
        }
        guard let names else {
            // Without a file each name is a variant, in the order they are given.
            return try named.map { text throws(Fault) in try effect(String(text.split(separator: "=").last ?? ""), text) }
        }
        var effects = Array(repeating: 0.0, count: names.count)
        for text in named {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let place = names.firstIndex(of: parts[0]) else {
                throw Fault(
                    .usage, what: "--effect names '\(parts[0])'",
                    why: "the variants beside control are \(names.joined(separator: ", "))",
                    fix: Suggestion.closest(to: parts[0], among: names).map { "did you mean \($0)?" } ?? "name one of them")
            }
            effects[place] = try effect(parts[1], text)
        }
        return effects
    }

    private static func effect(_ number: String, _ text: String) throws(Fault) -> Double {
        guard let value = Double(number), value.isFinite else {
            throw Fault(
                .usage, what: "--effect \(text) is not a number", why: "it is what a variant's figure is above control's",
                fix: "write --effect 0.02 or --effect NAME=0.02, or --effect 0 for an A/A test")
        }
        return value
    }

    private static func sharing(
        _ invocation: Invocation, _ spec: ExperimentSpec?, arms: Int
    ) throws(Fault) -> ExperimentSimulation.Sharing {
        let name = invocation.value("strategy") ?? spec?.allocation.strategy.rawValue ?? "fixed"
        guard let strategy = Allocation.Strategy(rawValue: name), !strategy.isContextual else {
            throw Fault(
                .usage, what: "'\(name)' cannot be simulated",
                why: "synthetic users have no features; there are fixed, "
                    + "thompson, top_two and epsilon_greedy", fix: "name one of them with --strategy")
        }
        guard strategy.isAdaptive else {
            return .fixed(
                spec?.variants.map(\.basisPoints) ?? (0..<arms).map { 10_000 * ($0 + 1) / arms - 10_000 * $0 / arms })
        }
        var allocation = spec?.allocation ?? Allocation(strategy: strategy)
        allocation.strategy = strategy
        return .bandit(allocation)
    }

    static func text(_ summary: SimulationSummary, _ style: Style) -> String {
        func share(_ part: Double) -> String { Figures.significant(part * 100, 1) + " %" }
        var table = Table([], indent: 2)
        if summary.hasEffect {
            table.add(["power", share(summary.power), "the best variant was found, and no other named"])
        } else {
            table.add(["type I error", share(summary.falseAlarms), "a difference was called, and there is none"])
        }
        table.add(["wrong winner", share(summary.wrongWinner), "a variant was named that is not the best"])
        table.add(["equivalent", share(summary.equivalent), "no difference that matters"])
        table.add(["undecided", share(summary.undecided), "at the end of \(Figures.count(Int64(summary.visits))) units"])
        let median = summary.medianVisits.map { Figures.count(Int64($0)) + " units" } ?? "never"
        table.add(["time to decision", median, "median over all; looked at all the time"])
        table.add(["textbook test", share(summary.fixedDiffers), "differs, looked at once at the end"])
        table.add(["regret", Figures.significant(summary.regret, 2), "per experiment, against showing the best to everybody"])
        let head =
            "\(Figures.count(Int64(summary.runs))) experiments, \(summary.metric), alpha \(summary.alpha), seed \(summary.seed)"
        return style.strong(head) + "\n" + table.text(style)
    }
}
