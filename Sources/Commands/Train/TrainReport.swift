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

    static func facts(_ report: JSONValue) -> [(String, String)] {
        var facts: [(String, String)] = []
        func seconds(_ value: JSONValue?) -> String? {
            value?.numberValue.map { Figures.duration(.milliseconds(Int64($0 * 1_000))) }
        }
        if let waiting = seconds(report["phases"]?["waiting_s"]) { facts.append(("waited", waiting)) }
        if let running = seconds(report["phases"]?["running_s"]) { facts.append(("ran", running)) }
        facts.append(("bound by", report["bound_by"]?.stringValue ?? ""))
        let saved = report["wire"]?["saved_bytes"]?.integerValue ?? 0
        if saved > 0 {
            facts.append(("wire saved", "\(saved >> 20) MiB of \((report["wire"]?["logical_bytes"]?.integerValue ?? 0) >> 20) MiB"))
        }
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
        let samples = report["samples"]
        facts.append(
            ("samples", "repeated \(samples?["repeated"]?.integerValue ?? 0), lost \(samples?["lost"]?.integerValue ?? 0)"))
        return facts
    }
}
