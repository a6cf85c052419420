import Arguments
import Faults
import JSON
import YAML

/// `openclaw experiment plan FILE`
enum ExperimentPlanFile {
    static let command = Command(
        "experiment plan",
        summary: "How many units an experiment takes, and how long; refuses what can never finish; changes nothing",
        discussion: """
            Counts with what the route's recent traffic and feedback say of the primary metric. Where they say nothing, or to ask \
            what if: --baseline and --deviation say it, else the worst is assumed; --units-per-day says how many come.
            """,
        parameters: [
            .operand("FILE", "An `experiment:` file"), .option("baseline", "X", "The metric's figure of control"),
            .option("deviation", "X", "Of one value around it"), .option("units-per-day", "N", "New units of the route"),
        ]
    ) { invocation in
        let file = invocation.operand("FILE")
        let body = try ApplyBody.make(of: [file])
        let answer = try await APIClient(invocation).post("/api/v1/experiments/plan", try assuming(invocation, body))
        let plans = answer["plans"]?.arrayValue ?? []
        // One file usually holds one experiment: then the document is its plan itself.
        Output(invocation).show(plans.count == 1 ? plans[0] : answer) { style in
            plans.map { text($0, of: file, style) }.joined(separator: "\n\n")
        }
    }

    private static func assuming(_ invocation: Invocation, _ body: JSONValue) throws(Fault) -> JSONValue {
        var said: [String: JSONValue] = [:]
        for (option, member) in [("baseline", "baseline"), ("deviation", "deviation"), ("units-per-day", "units_per_day")] {
            guard let text = invocation.value(option) else { continue }
            guard let value = Double(text), value.isFinite, value > 0 || option == "baseline" else {
                throw Fault(
                    .usage, what: "--\(option) \(text) is not possible",
                    why: "It is a number\(option == "baseline" ? "" : " above 0").",
                    fix: "Leave it out, and recent traffic counts.")
            }
            said[member] = .number(value)
        }
        guard !said.isEmpty, case .object(var members) = body else { return body }
        members["assume"] = .object(said)
        return .object(members)
    }

    static func text(_ plan: JSONValue, of file: String, _ style: Style) -> String {
        let coverage = plan["coverage"]?.numberValue ?? 1
        let part = coverage < 1 ? ", \(Figures.share(coverage)) of the units" : ""
        let subject = "\(style.strong(plan["name"]?.stringValue ?? "")) on route \(plan["route"]?.stringValue ?? "")"
        var variants = Table([], indent: 2)
        for variant in plan["variants"]?.arrayValue ?? [] {
            variants.add([
                variant["name"]?.stringValue ?? "", variant["serves"]?.stringValue ?? "",
                variant["share"]?.numberValue.map(Figures.share) ?? "",
            ])
        }
        var metrics = Table(["metric", "type", "from", "what it does"], indent: 2)
        for metric in plan["metrics"]?.arrayValue ?? [] {
            let quantile = metric["quantile"]?.numberValue.map { " \(Figures.significant($0, 3))" } ?? ""
            metrics.add([
                metric["name"]?.stringValue ?? "", (metric["type"]?.stringValue ?? "") + quantile,
                metric["from"]?.stringValue ?? "",
                metric["reads"]?.stringValue ?? "",
            ])
        }
        if let changes = plan["changes"]?.arrayValue {
            let texts = changes.compactMap(\.stringValue)
            guard !texts.isEmpty else { return "\(subject) runs already with this content" }
            return (["would change \(subject), which runs"] + texts.map { "  \($0)" } + ["next: openclaw experiment apply \(file)"])
                .joined(separator: "\n")
        }
        var lines = [
            "would try \(subject), \(plan["strategy"]?.stringValue ?? "") shares, units by \(plan["unit"]?.stringValue ?? "")\(part)",
            variants.text(style), metrics.text(style),
        ]
        if let budget = plan["budget"]?.stringValue { lines.append("  spends   at most \(budget)") }
        lines += expectation(plan)
        lines += (plan["notes"]?.arrayValue ?? []).compactMap(\.stringValue).map { style.faint("  \($0)") }
        lines.append("next: openclaw experiment apply \(file) --watch")
        return lines.joined(separator: "\n")
    }

    /// `  needs    about 8 411 units of each variant (baseline 0.61): about 2 d 4 h at 7 800 units a day, of 14 d`
    private static func expectation(_ plan: JSONValue) -> [String] {
        guard let expectation = plan["expectation"], let units = expectation["units_per_variant"]?.numberValue else { return [] }
        let baseline = expectation["baseline"]?.numberValue.map { " (now \(Figures.significant($0, 3)))" } ?? ""
        var line = "  needs    about \(Figures.count(Int64(units.rounded(.up)))) units of each variant\(baseline)"
        if let seconds = expectation["expected_seconds"]?.numberValue, let daily = expectation["units_per_day"]?.numberValue {
            let limit = plan["max_duration_seconds"]?.numberValue ?? 0
            line +=
                ": about \(Figures.duration(.milliseconds(Int64(seconds * 1_000)))) at \(Figures.count(Int64(daily))) units a day,"
            line += " of at most \(Figures.duration(.milliseconds(Int64(limit * 1_000))))"
        }
        var lines = [line]
        if let assumed = expectation["assumed"]?.stringValue { lines.append("           assumed: \(assumed)") }
        if let once = expectation["units_per_variant_looked_once"]?.numberValue {
            lines.append("           (looked at once, at the end: about \(Figures.count(Int64(once.rounded(.up)))))")
        }
        if let smallest = expectation["smallest_effect"]?.numberValue {
            lines.append("  could    find an effect of \(Figures.significant(smallest, 4)) in that time")
        }
        return lines
    }
}
