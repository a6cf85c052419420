import JSON

/// The shape of a JSON value, in the part of JSON Schema 2020-12 that the API needs. It is printed in the OpenAPI document, and
/// bodies are checked against it before an endpoint sees them.
struct Schema: Sendable, Equatable {
    let json: JSONValue

    /// Any JSON value.
    static func any(_ about: String) -> Schema { Schema(json: ["description": .string(about)]) }
    static func string(_ about: String) -> Schema { plain("string", about) }
    static func integer(_ about: String) -> Schema { plain("integer", about) }
    static func number(_ about: String) -> Schema { plain("number", about) }
    static func boolean(_ about: String) -> Schema { plain("boolean", about) }

    static func oneOf(_ words: [String], _ about: String) -> Schema {
        Schema(json: ["type": "string", "enum": .array(words.map(JSONValue.string)), "description": .string(about)])
    }
    static func array(of items: Schema, _ about: String = "") -> Schema {
        described(["type": "array", "items": items.json], about)
    }
    /// An object whose members have names the schema does not know.
    static func map(of values: Schema, _ about: String = "") -> Schema {
        described(["type": "object", "additionalProperties": values.json], about)
    }
    /// `open` also admits members that are not declared (answers may grow; bodies are read strictly).
    static func object(_ required: [String: Schema], optional: [String: Schema] = [:], open: Bool = false) -> Schema {
        let all = required.merging(optional) { first, _ in first }
        return Schema(json: [
            "type": "object", "properties": .object(all.mapValues(\.json)),
            "required": .array(required.keys.sorted().map(JSONValue.string)), "additionalProperties": .bool(open),
        ])
    }
    /// Either of two shapes.
    static func either(_ first: Schema, _ second: Schema) -> Schema { Schema(json: ["anyOf": [first.json, second.json]]) }

    var orNull: Schema { Schema(json: ["anyOf": [json, ["type": "null"]]]) }

    private static func plain(_ type: JSONValue, _ about: String) -> Schema { described(["type": type], about) }

    private static func described(_ members: [String: JSONValue], _ about: String) -> Schema {
        Schema(json: .object(about.isEmpty ? members : members.merging(["description": .string(about)]) { first, _ in first }))
    }
}

extension Schema {
    /// Where a value differs from the schema, or nil. `place` is how a person would point at it: `documents[0].text`.
    func mismatch(_ value: JSONValue, at place: String = "") -> String? { Schema.mismatch(value, json, place) }

    private static func mismatch(_ value: JSONValue, _ schema: JSONValue, _ place: String) -> String? {
        let subject = place.isEmpty ? "the body" : "`\(place)`"
        if let choices = schema["anyOf"]?.arrayValue {
            let complaints = choices.map { mismatch(value, $0, place) }
            return complaints.contains(nil) ? nil : complaints.compactMap { $0 }.first
        }
        if let type = schema["type"]?.stringValue, !value.has(type: type) { return "\(subject) must be \(article(type))" }
        if let words = schema["enum"]?.arrayValue, !words.contains(value) {
            return "\(subject) must be one of \(words.compactMap(\.stringValue).joined(separator: ", "))"
        }
        if case .array(let items) = value, let each = schema["items"] {
            for (index, item) in items.enumerated() {
                if let complaint = mismatch(item, each, "\(place)[\(index)]") { return complaint }
            }
        }
        guard case .object(let members) = value else { return nil }
        return memberMismatch(members, schema, place, subject)
    }

    private static func memberMismatch(
        _ members: [String: JSONValue], _ schema: JSONValue, _ place: String, _ subject: String
    ) -> String? {
        for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] where members[name] == nil {
            return "\(subject) lacks `\(name)`"
        }
        let properties = schema["properties"]?.objectValue ?? [:]
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            let inner = place.isEmpty ? name : "\(place).\(name)"
            if let declared = properties[name] {
                if let complaint = mismatch(member, declared, inner) { return complaint }
            } else if let additional = schema["additionalProperties"] {
                if additional == .bool(false) { return "\(subject) has a member that is not known: `\(name)`" }
                if case .object = additional, let complaint = mismatch(member, additional, inner) { return complaint }
            }
        }
        return nil
    }

    private static func article(_ type: String) -> String {
        switch type {
        case "integer": "a whole number"
        case "object", "array": "an \(type)"
        case "null": "null"
        default: "a \(type)"
        }
    }
}

extension JSONValue {
    fileprivate func has(type: String) -> Bool {
        switch type {
        case "string": stringValue != nil
        case "integer": integerValue != nil
        case "number": numberValue != nil
        case "boolean": boolValue != nil
        case "array": arrayValue != nil
        case "object": objectValue != nil
        case "null": self == .null
        default: false
        }
    }
}
