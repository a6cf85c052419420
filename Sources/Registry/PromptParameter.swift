import Faults
import JSON
import YAML

/// The parameters of a model that are known, with what they may be: a mistake is found when a prompt is added, not by the
/// first user. Others may stand under `parameters:` and reach the model as they are.
enum PromptParameter {
    enum Shape {
        case number(ClosedRange<Double>)
        case integer(ClosedRange<Int>)
        case flag, word, texts, any
    }

    private static let shapes: [String: Shape] = [
        "temperature": .number(0...2), "top_p": .number(0...1), "frequency_penalty": .number(-2...2),
        "presence_penalty": .number(-2...2), "max_tokens": .integer(1...10_000_000),
        "max_completion_tokens": .integer(1...10_000_000), "n": .integer(1...128), "seed": .integer(Int.min...Int.max),
        "top_logprobs": .integer(0...20), "logprobs": .flag, "parallel_tool_calls": .flag, "store": .flag,
        "reasoning_effort": .word, "service_tier": .word, "verbosity": .word, "stop": .texts, "logit_bias": .any,
        "tool_choice": .any,
    ]
    static let names = shapes.keys.sorted()
    private static let stopsMax = 16

    static func read(_ entry: YAMLNode.Entry) throws(Fault) -> JSONValue {
        let node = entry.value
        switch shapes[entry.key] {
        case .number(let range):
            let value = try node.double()
            guard range.contains(value) else {
                throw node.fault(
                    "`\(entry.key)` cannot be \(JSONValue.number(value).canonicalText).",
                    why:
                        "it is from \(JSONValue.number(range.lowerBound).canonicalText) to \(JSONValue.number(range.upperBound).canonicalText).",
                    fix: "Write one in that range.")
            }
            return node.json
        case .integer(let range): return .integer(Int64(try node.integer(in: range)))
        case .flag: return .bool(try node.bool())
        case .word: return .string(try node.string())
        case .texts: return try stops(node)
        case .any, nil: return node.json
        }
    }

    /// One text, or a list of them.
    private static func stops(_ node: YAMLNode) throws(Fault) -> JSONValue {
        if case .scalar = node.content { return .string(try node.string()) }
        var texts: [JSONValue] = []
        for item in try node.list() { texts.append(.string(try item.string())) }
        guard (1...stopsMax).contains(texts.count) else {
            throw node.fault(
                "`stop` cannot have \(texts.count) texts.", why: "there are 1 to \(stopsMax).", fix: "Correct the list.")
        }
        return .array(texts)
    }
}
