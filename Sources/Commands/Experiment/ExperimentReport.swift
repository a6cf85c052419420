import Arguments
import ControlPlane
import Faults
import Glibc
import JSON
import Telemetry

/// `openclaw experiment report NAME [--html FILE]`
enum ExperimentReport {
    static let command = Command(
        "experiment report", summary: "Everything about an experiment, as text, as JSON, or as one HTML page with its plots",
        discussion: "The page needs nothing but itself: its plots are drawn in it, and it fetches nothing.",
        parameters: [.operand("NAME", "The experiment"), .option("html", "FILE", "Write the page there")]
    ) { invocation in
        let path = "/api/v1/experiments/\(APIClient.segment(invocation.operand("NAME")))/report"
        let report = try await APIClient(invocation).get(path)
        let output = Output(invocation)
        guard let file = invocation.value("html") else {
            output.show(report) { style in text(report, style) }
            return
        }
        try write(ExperimentPage.html(report), to: file)
        output.show(["html": .string(file)]) { style in "\(style.good("written")) \(file)" }
    }

    static func text(_ report: JSONValue, _ style: Style) -> String {
        var lines = [ExperimentScreen.text(report, style, now: .now())]
        // The page says what is next; a report ends with its evidence.
        if let last = lines[0].lastIndex(of: "\n") { lines[0] = String(lines[0][..<last]) }
        for metric in (report["evidence"]?["metrics"]?.arrayValue ?? []).dropFirst() { lines.append(table(of: metric, style)) }
        for metric in report["evidence"]?["metrics"]?.arrayValue ?? [] {
            let reduction = (metric["variants"]?.arrayValue ?? []).compactMap { $0["variance_reduction"]?.numberValue }.max()
            let less = reduction.map { "; \(Figures.significant($0 * 100, 0)) % less variance by it" } ?? ""
            lines.append(style.faint("  \(metric["metric"]?.stringValue ?? ""): \(metric["method"]?.stringValue ?? "")\(less)"))
        }
        if let division = report["evidence"]?["division"]?.stringValue { lines.append(style.faint("  \(division)")) }
        lines.append(
            ExperimentExplain.text(["decisions": report["decisions"] ?? .null, "summary": report["summary"] ?? .null], style))
        return lines.joined(separator: "\n")
    }

    private static func table(of metric: JSONValue, _ style: Style) -> String {
        let figures = ExperimentFigures(metric: metric)
        var table = Table(
            [metric["metric"]?.stringValue ?? "", "users", "figure", "against control", "always-valid", "p"], indent: 2)
        for arm in metric["variants"]?.arrayValue ?? [] {
            table.add([
                arm["variant"]?.stringValue ?? "", Figures.count(arm["units"]?.integerValue ?? 0),
                arm["mean"]?.numberValue.map(figures.mean) ?? "", arm["difference"]?.numberValue.map(figures.difference) ?? "",
                figures.interval(arm["interval"]), arm["p_value"]?.numberValue.map(ExperimentFigures.pValue) ?? "",
            ])
        }
        return table.text(style)
    }

    static func write(_ page: String, to path: String) throws(Fault) {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw unwritable(path) }
        defer { close(file) }
        var rest = Array(page.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw unwritable(path) }
            rest = rest.dropFirst(count)
        }
    }

    private static func unwritable(_ path: String) -> Fault {
        Fault(
            .failed, what: "\(path) cannot be written.", why: unsafe String(cString: strerror(errno)),
            fix: "Name a place that this user may write to: --html FILE.")
    }
}
