import Glibc
import JSON

// `make validate`: the gates' promises, checked by simulating whole releases through the product's own GateBoard, and those of
// experiments, by simulating whole experiments through their own analysis and allocation.

let options = Options(Array(CommandLine.arguments.dropFirst()))
let names = Scenario.all.map(\.name) + ExperimentScenario.all.map(\.name)
if !options.only.isEmpty, !names.contains(where: { $0.contains(options.only) }) {
    Options.refuse("no scenario's name contains '\(options.only)'")
}
let simulation = Simulation(options: options)
let rows = await simulation.rows() + simulation.experimentRows()
if options.isJSON {
    let document: JSONValue = [
        "seed": .string(String(options.seed)), "runs": .integer(Int64(options.runs)), "rows": .array(rows.map(\.json)),
        "ok": .bool(rows.allSatisfy(\.isKept)),
    ]
    print(document.prettyText)
} else {
    print(Table(rows: rows).text)
    let missed = rows.filter { !$0.isKept }.count
    print(missed == 0 ? "all promises kept, seed \(options.seed)" : "\(missed) promises missed, seed \(options.seed)")
}
exit(rows.allSatisfy(\.isKept) ? 0 : 1)
