import JSON
import Telemetry

/// A job's report as one HTML page: no script, nothing fetched.
enum TrainPage {
    static func html(_ report: JSONValue) -> String {
        let name = ExperimentPage.escaped(TrainScreen.name(report))
        let curves = report["curves"]?.objectValue ?? [:]
        let figures = curves.keys.sorted { ($0 == "loss" ? 0 : 1, $0) < ($1 == "loss" ? 0 : 1, $1) }.map { curve in
            let title = curve == "samples_per_s" ? "Samples per second" : curve
            return ExperimentPage.figure(title, CurvePlot.svg(curves[curve] ?? .null, marks: marks(report)), "")
        }
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(name)</title><style>\(ExperimentPage.style)</style></head><body><main>
            <p class="kind">training job \(name)</p>
            <h1>\(name) \(ExperimentPage.escaped(TrainScreen.state(report)))</h1>
            <p>\(ExperimentPage.escaped((report["advice"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: "; ")))</p>
            \(facts(report))
            \(ExperimentPage.figure("Where the time went", TrainPlots.phases(report), TrainPlots.legend(TrainReport.phases)))
            \(ExperimentPage.figure("What a step is made of", TrainPlots.steps(report), TrainPlots.legend(TrainPlots.stepParts)))
            \(figures.joined(separator: "\n"))
            \(ranks(report))
            \(losses(report))
            \(changes(report))
            <p class="foot">Made \(ExperimentPage.escaped(Figures.moment(report["reported_at"]?.stringValue ?? ""))) by OpenClaw.</p>
            </main></body></html>
            """
    }

    /// Deaths of ranks, and changes of their number.
    private static func marks(_ report: JSONValue) -> [(at: Int64, text: String)] {
        let deaths = (report["failures_cost"]?["items"]?.arrayValue ?? []).compactMap { loss in
            ExperimentPage.moment(loss["at"]).map { ($0.milliseconds, "rank \(loss["rank"]?.integerValue ?? 0) died") }
        }
        return deaths
            + (report["changes"]?.arrayValue ?? []).compactMap { change in
                ExperimentPage.moment(change["at"]).map {
                    ($0.milliseconds, "\(change["from"]?.integerValue ?? 0) to \(change["to"]?.integerValue ?? 0) ranks")
                }
            }
    }

    private static func facts(_ report: JSONValue) -> String {
        let items = TrainReport.facts(report).map {
            "<div><dt>\(ExperimentPage.escaped($0.0))</dt><dd>\(ExperimentPage.escaped($0.1))</dd></div>"
        }
        return "<dl>" + items.joined() + "</dl>"
    }

    private static func ranks(_ report: JSONValue) -> String {
        let heading = ["rank", "steps", "samples/s", "step", "compute", "sync", "wait", "cpu", "memory peak"]
        let rows = (report["per_rank"]?.arrayValue ?? []).map { rank in
            "<tr>" + TrainReport.row(rank).map { "<td>\(ExperimentPage.escaped($0))</td>" }.joined() + "</tr>"
        }
        guard !rows.isEmpty else { return "" }
        return
            "<h2>Ranks</h2><div class=\"wide\"><table><tr>\(heading.map { "<th>\($0)</th>" }.joined())</tr>\(rows.joined())</table></div>"
    }

    private static func losses(_ report: JSONValue) -> String {
        let rows = (report["failures_cost"]?["items"]?.arrayValue ?? []).map { loss in
            func seconds(_ key: String) -> String { loss[key]?.numberValue.map(TrainReport.time) ?? "" }
            let cells = [
                "\(loss["rank"]?.integerValue ?? 0)", loss["how"]?.stringValue ?? "",
                loss["survived"]?.boolValue == true ? "the others went on" : "whole job", seconds("stood_still_s"),
                seconds("mended_after_s"), loss["steps_redone"]?.integerValue.map { Figures.count($0) } ?? "",
            ]
            return "<tr>" + cells.map { "<td class=\"text\">\(ExperimentPage.escaped($0))</td>" }.joined() + "</tr>"
        }
        return table("Failures", ["rank", "how", "then", "stood still", "whole again after", "steps done again"], rows)
    }

    private static func changes(_ report: JSONValue) -> String {
        let rows = (report["changes"]?.arrayValue ?? []).map { change in
            let cells = [
                "\(change["from"]?.integerValue ?? 0) to \(change["to"]?.integerValue ?? 0)", change["how"]?.stringValue ?? "",
                change["step"]?.integerValue.map { Figures.count($0) } ?? "",
                change["stood_still_s"]?.numberValue.map(TrainReport.time) ?? "", change["why"]?.stringValue ?? "",
                change["failure"]?.stringValue ?? "",
            ]
            return "<tr>" + cells.map { "<td class=\"text\">\(ExperimentPage.escaped($0))</td>" }.joined() + "</tr>"
        }
        return table(
            "Other numbers of ranks", ["ranks", "how", "from step", "stood still", "why", "came to nothing because"], rows)
    }

    private static func table(_ title: String, _ headings: [String], _ rows: [String]) -> String {
        guard !rows.isEmpty else { return "" }
        let heads = headings.map { "<th style=\"text-align:left\">\($0)</th>" }.joined()
        return "<h2>\(title)</h2><div class=\"wide\"><table><tr>\(heads)</tr>\(rows.joined())</table></div>"
    }
}
