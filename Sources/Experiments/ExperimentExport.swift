import Conducting
public import Faults
import JSON
import Outcomes
import Routing
import Telemetry

/// Exposures and outcomes of an experiment, one to a line, for analysis elsewhere. Units are written as the hashes they are
/// kept as.
public enum ExperimentExport {
    public enum Format: String, Sendable {
        case csv, jsonl
        public var mediaType: String { self == .csv ? "text/csv; charset=utf-8" : "application/x-ndjson" }
    }

    static let columns = [
        "kind", "at", "request", "unit", "variant", "propensity", "status", "latency_ms", "metric", "value", "replaces",
        "exposed_at", "features",
    ]

    /// What stands in each column; nil where nothing does.
    static func fields(of observation: Observation, names: [VariantID: String]) -> [JSONValue?]? {
        switch observation {
        case .answered(let exposure):
            guard let variant = names[exposure.variant] else { return nil }
            return [
                "exposure", .string(exposure.at.rfc3339), .string(exposure.request.description), .string(hex(exposure.unit)),
                .string(variant), .number(Double(exposure.propensity) / 10_000), .integer(Int64(exposure.status)),
                .number(Double(exposure.latencyMicroseconds) / 1_000), nil, nil, nil, nil,
            ]
        case .scored(let score):
            guard let variant = names[score.variant] else { return nil }
            return [
                "outcome", .string(score.at.rfc3339), score.request.map { .string($0.description) }, .string(hex(score.unit)),
                .string(variant), .number(Double(score.propensity) / 10_000), nil, nil, .string(score.metric), .number(score.value),
                score.previous.map(JSONValue.number), .string(score.exposedAt.rfc3339),
            ]
        case .context: return nil  // it stands on the line of its exposure
        case .used(let usage):
            guard let variant = names[usage.variant] else { return nil }
            return [
                "usage", .string(usage.at.rfc3339), .string(usage.request.description), .string(hex(usage.unit)), .string(variant),
                .number(Double(usage.propensity) / 10_000), nil, nil, "cost_usd", .number(Double(usage.costNanoUSD) / 1e9), nil,
                nil,
            ]
        }
    }

    private static func hex(_ unit: UInt64) -> String {
        let digits = String(unit, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    static func line(_ fields: [JSONValue?], as format: Format) -> String {
        switch format {
        case .csv:
            return (0..<columns.count).map { cell(fields.indices.contains($0) ? fields[$0] : nil) }.joined(separator: ",") + "\n"
        case .jsonl:
            var members: [String: JSONValue] = [:]
            for (name, value) in zip(columns, fields) { if let value { members[name] = value } }
            return JSONValue.object(members).canonicalText + "\n"
        }
    }

    /// RFC 4180: what has a comma, a quote or a line end stands in quotes. A text that a spreadsheet would read as a formula
    /// cannot come here but in a metric's name, which gets a quote of its own.
    private static func cell(_ value: JSONValue?) -> String {
        guard let value else { return "" }
        guard let text = value.stringValue else {
            return value.arrayValue == nil ? value.canonicalText : "\"\(value.canonicalText)\""
        }
        let safe = text.first.map { "=+-@".contains($0) } == true ? "'" + text : text
        guard safe.contains(where: { ",\"\n\r".contains($0) }) else { return safe }
        return "\"" + safe.replacing("\"", with: "\"\"") + "\""
    }
}

extension ExperimentService {
    /// From its beginning to now, as far back as exposures are kept. A reader that stops reading stops it.
    public func export(_ name: String, as format: ExperimentExport.Format) async throws(Fault) -> AsyncStream<[UInt8]> {
        let conductor = try conductors.known(name)
        guard let machine = await conductor.machine else { throw conductors.unknown(name) }
        guard let layer = machine.layer else {
            throw Fault(
                .conflict, what: "\(name) has nothing to export.", why: "No user has seen it yet.", fix: "Wait until it is running."
            )
        }
        var names: [VariantID: String] = [:]
        for arm in machine.arms.all { if let id = arm.id { names[id] = arm.variant.name } }
        let (outcomes, start, known) = (outcomes, machine.plan.cursor, names)
        return AsyncStream { continuation in
            let task = Task {
                if format == .csv { continuation.yield(Array((ExperimentExport.columns.joined(separator: ",") + "\n").utf8)) }
                var cursor = start
                // What a contextual choice looked at comes before its exposure, and stands on its line.
                var contexts: [RequestID: [Float]] = [:]
                while !Task.isCancelled {
                    guard
                        let (observations, next) = try? await outcomes.observations(
                            of: layer.route, after: cursor, limit: ExperimentHandlers.observationsMax)
                    else { break }
                    var lines: [UInt8] = []
                    for observation in observations {
                        if case .context(let context) = observation, known[context.variant] != nil {
                            contexts[context.request] = context.features
                        }
                        guard var fields = ExperimentExport.fields(of: observation, names: known) else { continue }
                        if case .answered(let exposure) = observation, let seen = contexts.removeValue(forKey: exposure.request) {
                            fields.append(.array(seen.map { .number(Double($0)) }))
                        }
                        lines += ExperimentExport.line(fields, as: format).utf8
                    }
                    if !lines.isEmpty { continuation.yield(lines) }
                    cursor = next
                    if observations.count < ExperimentHandlers.observationsMax { break }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
