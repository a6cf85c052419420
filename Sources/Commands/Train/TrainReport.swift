import Arguments
import Faults
import Glibc
import JSON
import Telemetry

/// `openclaw train report NAME [--html FILE]`
enum TrainReport {
    static let command = Command(
        "train report", summary: "Where a job's time went, what failures cost, and what to change: text, JSON or one HTML page",
        parameters: [.operand("NAME", "The job"), .option("html", "FILE", "Write the page there")]
    ) { invocation in
        let path = "/api/v1/jobs/\(APIClient.segment(invocation.operand("NAME")))/report"
        let report = try await APIClient(invocation).get(path)
        let output = Output(invocation)
        guard let file = invocation.value("html") else {
            output.show(report) { style in text(report, style) }
            return
        }
        try ExperimentReport.write(TrainPage.html(report), to: file)
        output.show(["html": .string(file)]) { style in "\(style.good("written")) \(file)" }
    }

    static func text(_ report: JSONValue, _ style: Style) -> String {
        var lines = [TrainScreen.text(report, style, now: .now())]
        if let last = lines[0].lastIndex(of: "\n") { lines[0] = String(lines[0][..<last]) }
        for (name, value) in facts(report) {
            lines.append("  \(name)\(String(repeating: " ", count: max(1, 16 - name.count)))\(value)")
        }
        var table = Table(["rank", "steps", "samples/s", "step", "compute", "sync", "wait", "cpu", "memory peak"], indent: 2)
        for rank in report["per_rank"]?.arrayValue ?? [] { table.add(row(rank)) }
        lines.append(table.text(style))
        for advice in (report["advice"]?.arrayValue ?? []).compactMap(\.stringValue) { lines.append("  advice  \(advice)") }
        return lines.joined(separator: "\n")
    }

    static func row(_ rank: JSONValue) -> [String] {
        func share(_ name: String) -> String { rank[name]?.numberValue.map { "\(Int(($0 * 100).rounded())) %" } ?? "" }
        return [
            "\(rank["rank"]?.integerValue ?? 0)", Figures.count(rank["step"]?.integerValue ?? 0),
            rank["samples_per_s"]?.numberValue.map { Figures.count(Int64($0)) } ?? "",
            rank["step_s"]?.numberValue.map { Figures.value($0 * 1_000, unit: "ms") } ?? "", share("compute_share"),
            share("communication_share"), share("wait_share"), share("cpu_share"),
            "\((rank["memory_peak_bytes"]?.integerValue ?? 0) >> 20) MiB",
        ]
    }

    static let phases = ["waiting", "starting", "training", "finishing"]

    /// Under a second in milliseconds.
    static func time(_ seconds: Double) -> String {
        seconds > 0 && seconds < 1
            ? Figures.value(seconds * 1_000, unit: "ms") : Figures.duration(.milliseconds(Int64(seconds * 1_000)))
    }

    private static func wire(_ wire: JSONValue?) -> (String, String)? {
        let (logical, saved) = (wire?["logical_bytes"]?.integerValue ?? 0, wire?["saved_bytes"]?.integerValue ?? 0)
        if wire?["in_shared_memory"]?.boolValue == true { return ("gradients", "\(logical >> 20) MiB, all in shared memory") }
        guard logical > 0 else { return nil }
        return ("wire", "\((logical - saved) >> 20) MiB sent for \(logical >> 20) MiB, \(saved * 100 / logical) % saved")
    }

    /// What `wire: auto` chose, once for all ranks that chose it at one step.
    private static func choices(_ wire: JSONValue?) -> [(String, String)] {
        var steps: [(step: Int64, told: [JSONValue])] = []
        for choice in wire?["choices"]?.arrayValue ?? [] {
            let step = choice["step"]?.integerValue ?? 0
            if let index = steps.firstIndex(where: { $0.step == step }) {
                steps[index].told.append(choice)
            } else {
                steps.append((step, [choice]))
            }
        }
        guard !steps.isEmpty else { return wire?["chosen_because"]?.stringValue.map { [("wire auto", $0)] } ?? [] }
        return steps.suffix(8).map { step, told in
            func range(_ key: String) -> String {
                let all = told.compactMap { $0[key]?.numberValue }.map { $0 * 1_000 }
                let (least, most) = (Figures.value(all.min() ?? 0, unit: "ms"), Figures.value(all.max() ?? 0, unit: "ms"))
                return least == most ? least : "\(least) to \(most)"
            }
            let ranks = told.compactMap { $0["rank"]?.integerValue }.sorted().map { "\($0)" }
            let who =
                ranks.count > 8 ? "\(ranks.count) ranks" : "rank\(ranks.count == 1 ? "" : "s") \(ranks.joined(separator: ", "))"
            return (
                "wire auto",
                "\(told[0]["format"]?.stringValue ?? "") from step \(Figures.count(step)) on \(who): \(told[0]["because"]?.stringValue ?? "") (computed \(range("compute_s")), waited \(range("wait_s")))"
            )
        }
    }

    static func facts(_ report: JSONValue) -> [(String, String)] {
        var facts: [(String, String)] = []
        func seconds(_ value: JSONValue?) -> String? { value?.numberValue.map(time) }
        let spent = phases.compactMap { name in seconds(report["phases"]?["\(name)_s"]).map { "\(name) \($0)" } }
        if !spent.isEmpty { facts.append(("time", spent.joined(separator: ", "))) }
        if let running = seconds(report["phases"]?["running_s"]) { facts.append(("ran", running)) }
        facts.append(("bound by", report["bound_by"]?.stringValue ?? ""))
        if let wire = wire(report["wire"]) { facts.append(wire) }
        facts += choices(report["wire"])
        let failures = report["failures_cost"]
        facts.append(
            (
                "failures",
                "\(failures?["count"]?.integerValue ?? 0), whole-job restarts \(failures?["restarts"]?.integerValue ?? 0), without training \(seconds(failures?["seconds_without_training"]) ?? "0")"
            ))
        let checkpoints = report["checkpoints"]
        facts.append(
            (
                "checkpoints",
                "\(checkpoints?["count"]?.integerValue ?? 0), stalled \(seconds(checkpoints?["stall_s"]) ?? "0"), failed \(checkpoints?["failed"]?.integerValue ?? 0)"
            ))
        for stall in (report["stalls"]?.arrayValue ?? []).suffix(5) {
            let because = stall["because"]?.stringValue.map { ", when \($0)" } ?? ""
            let step = Figures.count(stall["step"]?.integerValue ?? 0)
            facts.append(("stall", "\(seconds(stall["seconds"]) ?? "") after step \(step)\(because)"))
        }
        let samples = report["samples"]
        facts.append(
            ("samples", "repeated \(samples?["repeated"]?.integerValue ?? 0), lost \(samples?["lost"]?.integerValue ?? 0)"))
        return facts
    }
}
