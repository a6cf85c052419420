import Arguments
import ControlPlane
import Experiments
import Faults
import JSON
import Routing

/// `openclaw experiment replay --export FILE --metric NAME --strategy thompson`: what another allocation would have earned,
/// without a daemon.
enum ExperimentReplay {
    static let command = Command(
        "experiment replay", summary: "Estimate what another allocation would have earned, from an export",
        discussion: """
            Each recorded reward counts by how much likelier the other allocation was to choose that variant (off-policy \
            evaluation): ips is unbiased, snips is steadier, doubly_robust adds a model of the rewards. A bandit learns from the \
            record as it goes. What the record cannot say is refused.

              openclaw experiment export friendlier-support --format jsonl > record.jsonl
              openclaw experiment replay --export record.jsonl --metric resolved --share control=10% --share friendlier=90%
              openclaw experiment replay --export record.jsonl --metric resolved --strategy thompson --json
            """,
        parameters: [
            .option("export", "FILE", "What `experiment export` wrote; or lines of unit, variant, propensity and value"),
            .option("metric", "NAME", "The metric that is the reward"),
            .option("share", "NAME=SHARE", "The other allocation: a share for each variant, such as B=90%", repeats: true),
            .option("strategy", "NAME", "The other allocation: thompson, top_two, epsilon_greedy, linucb or lints"),
            .option("floor", "SHARE", "Of the strategy: the least share of a variant; standard 5%"),
            .option("missing", "VALUE", "What an exposure counts that nothing came of; standard: left out"),
            .option("confidence", "C", "Of the intervals; standard 0.95"),
            .option("clip", "WEIGHT", "Cut larger weights to it; the bias is then told"),
            .option("least", "N", "Effective units below which there is no answer; standard 100"),
            .flag("always", "Intervals that hold at every look at a growing record"),
        ]
    ) { invocation in
        let log = try record(invocation)
        let replay = try Replay(of: target(invocation, log), on: log, settings: settings(invocation))
        Output(invocation).show(facts(replay, log)) { screen(replay, log, $0) }
    }

    private static let exportBytesMax = 1 << 31

    private static func record(_ invocation: Invocation) throws(Fault) -> ReplayLog {
        let path = try required("export", invocation)
        guard let text = try TextFile.read(Home.absolute(path), bytesMax: exportBytesMax) else {
            throw Fault(.badConfiguration, what: "There is no file \(path).", why: "--export names it.", fix: "Check the path.")
        }
        let missing = try invocation.number("missing", within: -1e12, 1e12)
        return try ReplayLog(export: text, reading: .init(metric: try required("metric", invocation), missing: missing))
    }

    private static func target(_ invocation: Invocation, _ log: ReplayLog) throws(Fault) -> ReplayTarget {
        let shares = invocation.values("share")
        guard let name = invocation.value("strategy") else {
            var wanted = Array(repeating: 0.0, count: log.arms.count)
            for text in shares {
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2, let arm = log.arms.firstIndex(of: parts[0]), let share = Share.basisPoints(parts[1]) else {
                    throw Fault(
                        .usage, what: "--share \(text) is not a share of a variant",
                        why: "the record has \(log.arms.joined(separator: ", "))", fix: "write --share \(log.arms[0])=90%")
                }
                wanted[arm] = Double(share) / 10_000
            }
            guard !shares.isEmpty else {
                throw Fault(
                    .usage, what: "there is no allocation to ask about", why: "neither --share nor --strategy is given",
                    fix: "add --strategy thompson, or --share for each variant")
            }
            return .shares(wanted)
        }
        guard shares.isEmpty, let strategy = Allocation.Strategy(rawValue: name), strategy.isAdaptive else {
            throw Fault(
                .usage, what: "--strategy \(name) cannot be replayed",
                why: shares.isEmpty ? "it is no strategy that learns" : "--share asks for another allocation",
                fix: "choose thompson, top_two, epsilon_greedy, linucb or lints, without --share")
        }
        var allocation = Allocation(strategy: strategy)
        if let text = invocation.value("floor") {
            guard let floor = Share.basisPoints(text), floor * log.arms.count <= 10_000 else {
                throw Fault(
                    .usage, what: "--floor \(text) is not possible", why: "there are \(log.arms.count) variants",
                    fix: "write a share such as 5%")
            }
            allocation.floor = floor
        }
        return .allocation(allocation, seed: 1)
    }

    private static func settings(_ invocation: Invocation) throws(Fault) -> Replay.Settings {
        var settings = Replay.Settings()
        settings.isAlwaysValid = invocation.has("always")
        if let confidence = try invocation.number("confidence", within: 0.5, 0.999_999) { settings.confidence = confidence }
        if let least = try invocation.number("least", within: 2, 1e12) { settings.effectiveMin = least }
        settings.clip = try invocation.number("clip", within: 1e-6, 1e12)
        return settings
    }

    private static func required(_ name: String, _ invocation: Invocation) throws(Fault) -> String {
        guard let value = invocation.value(name), !value.isEmpty else {
            throw Fault(
                .usage, what: "--\(name) is missing", why: "`experiment replay` cannot guess it",
                fix: "`openclaw experiment replay --help` has an example")
        }
        return value
    }

    // MARK: - What is shown

    private static func facts(_ replay: Replay, _ log: ReplayLog) -> JSONValue {
        func json(_ estimate: Replay.Estimate) -> JSONValue {
            ["value": .number(estimate.value), "lower": .number(estimate.lower), "upper": .number(estimate.upper)]
        }
        var estimates: [String: JSONValue] = [:]
        for estimate in replay.estimates { estimates[estimate.method.rawValue] = json(estimate) }
        return [
            "estimates": .object(estimates), "recorded": json(replay.recorded), "exposures": .integer(Int64(replay.exposures)),
            "units": .integer(Int64(replay.units)), "effective_units": .number(replay.effectiveUnits),
            "largest_weight": .number(replay.largestWeight), "confidence": .number(replay.settings.confidence),
            "always_valid": .bool(replay.settings.isAlwaysValid), "overrides": .integer(Int64(log.overrides)),
            "unanswered": .integer(Int64(log.unanswered)),
            "clipping_bias": replay.clippingBias.map { [.number($0.lowerBound), .number($0.upperBound)] } ?? .null,
        ]
    }

    private static func screen(_ replay: Replay, _ log: ReplayLog, _ style: Style) -> String {
        let best = replay.estimates.last ?? replay.recorded
        let isBetter = best.lower > replay.recorded.value
        let verdict =
            isBetter
            ? style.good("it would have earned more")
            : best.upper < replay.recorded.value ? style.bad("it would have earned less") : "no clear difference"
        var table = Table(["estimate", "mean", "interval"], indent: 2)
        table.add(row("recorded", replay.recorded))
        for estimate in replay.estimates { table.add(row(estimate.method.rawValue, estimate)) }
        let kind = replay.settings.isAlwaysValid ? "valid at every look" : "for one look"
        var lines = [
            style.strong(verdict) + style.faint("  intervals of \(replay.settings.confidence), \(kind)"), table.text(style),
            "worth \(Figures.count(Int64(replay.effectiveUnits))) of \(Figures.count(Int64(replay.units))) units,"
                + " largest weight \(Figures.significant(replay.largestWeight, 2))",
        ]
        if log.unanswered > 0 {
            lines.append(
                "\(Figures.count(Int64(log.unanswered))) exposures that nothing came of are left out (--missing counts them)")
        }
        if log.overrides > 0 { lines.append("\(Figures.count(Int64(log.overrides))) exposures set by hand are left out") }
        if let bias = replay.clippingBias {
            lines.append(
                "clipping may have moved ips by \(Figures.significant(bias.lowerBound, 4)) to \(Figures.significant(bias.upperBound, 4))"
            )
        }
        return lines.joined(separator: "\n")
    }

    private static func row(_ name: String, _ estimate: Replay.Estimate) -> [String] {
        [
            name, Figures.significant(estimate.value, 4),
            "[\(Figures.significant(estimate.lower, 4)), \(Figures.significant(estimate.upper, 4))]",
        ]
    }
}
