extension JSONValue {
    /// What a `Codable` wire type looks like as JSON. Unsigned integers past `Int64` become decimal text, and non-finite
    /// numbers are written as null, because JSON has neither. A type whose `encode(to:)` throws is a mistake of ours.
    public init(encoding value: some Encodable) {
        do { self = try JSONEncoding.json(of: value, at: []) } catch {
            preconditionFailure("\(type(of: value)) cannot be encoded: \(error)")
        }
    }
}

/// An `Encoder` that builds a `JSONValue` without going through text.
final class JSONEncoding: Encoder {
    /// A slot that is filled once its encoder is done; containers share theirs with the encoder that owns them.
    final class Slot {
        enum Content {
            case value(JSONValue)
            case array([Slot])
            case object([String: Slot])
        }
        var content: Content?

        var json: JSONValue {
            switch content {
            case .value(let value): value
            case .array(let slots): .array(slots.map(\.json))
            case .object(let slots): .object(slots.mapValues(\.json))
            case nil: .object([:])  // a type that encodes nothing
            }
        }
    }

    let codingPath: [any CodingKey]
    let userInfo: [CodingUserInfoKey: Any] = [:]
    private let slot: Slot

    private init(_ slot: Slot, at path: [any CodingKey]) { (self.slot, codingPath) = (slot, path) }

    static func json(of value: some Encodable, at path: [any CodingKey]) throws -> JSONValue {
        let slot = Slot()
        try encode(value, into: slot, at: path)
        return slot.json
    }

    fileprivate static func encode(_ value: some Encodable, into slot: Slot, at path: [any CodingKey]) throws {
        try value.encode(to: JSONEncoding(slot, at: path))
    }

    /// The whole value at once.
    func set(_ value: JSONValue) { slot.content = .value(value) }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Keyed<Key>(slot: slot, codingPath: codingPath))
    }
    func unkeyedContainer() -> any UnkeyedEncodingContainer { Unkeyed(slot: slot, codingPath: codingPath) }
    func singleValueContainer() -> any SingleValueEncodingContainer { Single(slot: slot, codingPath: codingPath) }

    private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let slot: Slot
        let codingPath: [any CodingKey]

        init(slot: Slot, codingPath: [any CodingKey]) {
            (self.slot, self.codingPath) = (slot, codingPath)
            if case .object? = slot.content { return }
            slot.content = .object([:])
        }

        private func member(_ name: String) -> Slot {
            guard case .object(var members) = slot.content else { preconditionFailure("a keyed container became something else") }
            slot.content = nil  // so that the insertion does not copy the dictionary
            let member = Slot()
            members[name] = member
            slot.content = .object(members)
            return member
        }

        func encodeNil(forKey key: Key) { member(key.stringValue).content = .value(.null) }
        func encode(_ value: some Encodable, forKey key: Key) throws {
            try JSONEncoding.encode(value, into: member(key.stringValue), at: codingPath + [key])
        }
        func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
            KeyedEncodingContainer(JSONEncoding.Keyed<Nested>(slot: member(key.stringValue), codingPath: codingPath + [key]))
        }
        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            Unkeyed(slot: member(key.stringValue), codingPath: codingPath + [key])
        }
        func superEncoder() -> any Encoder { JSONEncoding(member("super"), at: codingPath) }
        func superEncoder(forKey key: Key) -> any Encoder { JSONEncoding(member(key.stringValue), at: codingPath + [key]) }
    }

    private struct Unkeyed: UnkeyedEncodingContainer {
        let slot: Slot
        let codingPath: [any CodingKey]

        init(slot: Slot, codingPath: [any CodingKey]) {
            (self.slot, self.codingPath) = (slot, codingPath)
            if case .array? = slot.content { return }
            slot.content = .array([])
        }

        var count: Int { if case .array(let items) = slot.content { items.count } else { 0 } }

        private func item() -> Slot {
            guard case .array(var items) = slot.content else { preconditionFailure("an unkeyed container became something else") }
            slot.content = nil  // so that appending does not copy the array
            let item = Slot()
            items.append(item)
            slot.content = .array(items)
            return item
        }

        func encodeNil() { item().content = .value(.null) }
        func encode(_ value: some Encodable) throws { try JSONEncoding.encode(value, into: item(), at: codingPath) }
        func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
            KeyedEncodingContainer(Keyed<Nested>(slot: item(), codingPath: codingPath))
        }
        func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { Unkeyed(slot: item(), codingPath: codingPath) }
        func superEncoder() -> any Encoder { JSONEncoding(item(), at: codingPath) }
    }

    private struct Single: SingleValueEncodingContainer {
        let slot: Slot
        let codingPath: [any CodingKey]

        private func set(_ value: JSONValue) { slot.content = .value(value) }
        private func set(integer value: some BinaryInteger) {
            set(Int64(exactly: value).map(JSONValue.integer) ?? .string(String(value)))
        }

        func encodeNil() { set(.null) }
        func encode(_ value: Bool) { set(.bool(value)) }
        func encode(_ value: String) { set(.string(value)) }
        func encode(_ value: Double) { set(value.isFinite ? .number(value) : .null) }
        func encode(_ value: Float) { encode(Double(value)) }
        func encode(_ value: Int) { set(integer: value) }
        func encode(_ value: Int8) { set(integer: value) }
        func encode(_ value: Int16) { set(integer: value) }
        func encode(_ value: Int32) { set(integer: value) }
        func encode(_ value: Int64) { set(integer: value) }
        func encode(_ value: UInt) { set(integer: value) }
        func encode(_ value: UInt8) { set(integer: value) }
        func encode(_ value: UInt16) { set(integer: value) }
        func encode(_ value: UInt32) { set(integer: value) }
        func encode(_ value: UInt64) { set(integer: value) }
        func encode(_ value: some Encodable) throws { try JSONEncoding.encode(value, into: slot, at: codingPath) }
    }
}
