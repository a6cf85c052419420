public import Faults

extension JSONValue {
    /// The wire type this value spells; a fault names the field that is missing or of another type.
    public func decoded<T: Decodable>(as type: T.Type = T.self) throws(Fault) -> T {
        do {
            return try JSONDecoding.decode(type, from: self, at: [])
        } catch let fault as Fault {
            throw fault
        } catch DecodingError.keyNotFound(let key, let context) {
            throw Self.mismatch("The field '\(Self.pointer(context.codingPath + [key]))' is missing.")
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context)
        {
            throw Self.mismatch("At '\(Self.pointer(context.codingPath))': \(context.debugDescription)")
        } catch {
            throw Self.mismatch("\(error)")
        }
    }

    private static func mismatch(_ why: String) -> Fault {
        Fault(
            .usage, what: "The JSON does not have the expected fields.", why: why,
            fix: "Send the field with the type that is documented.")
    }

    private static func pointer(_ path: [any CodingKey]) -> String {
        path.map { "/" + ($0.intValue.map(String.init) ?? $0.stringValue) }.joined()
    }

    /// What kind of value this is, for a fault.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// A `Decoder` that reads a `JSONValue` in place.
struct JSONDecoding: Decoder {
    let value: JSONValue
    let codingPath: [any CodingKey]
    let userInfo: [CodingUserInfoKey: Any] = [:]

    struct Index: CodingKey {
        let intValue: Int?
        var stringValue: String { intValue.map(String.init) ?? "" }
        init(_ index: Int) { intValue = index }
        init?(intValue: Int) { self.init(intValue) }
        init?(stringValue: String) { nil }
    }

    static func decode<T: Decodable>(_ type: T.Type, from value: JSONValue, at path: [any CodingKey]) throws -> T {
        try T(from: JSONDecoding(value: value, codingPath: path))
    }

    static func mismatch(_ type: Any.Type, _ expected: String, _ value: JSONValue, _ path: [any CodingKey]) -> DecodingError {
        .typeMismatch(type, .init(codingPath: path, debugDescription: "expected \(expected), found \(value.kind)."))
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard let members = value.objectValue else { throw Self.mismatch([String: Any].self, "an object", value, codingPath) }
        return KeyedDecodingContainer(Keyed<Key>(members: members, codingPath: codingPath))
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard let items = value.arrayValue else { throw Self.mismatch([Any].self, "an array", value, codingPath) }
        return Unkeyed(items: items, codingPath: codingPath)
    }
    func singleValueContainer() -> any SingleValueDecodingContainer { Single(value: value, codingPath: codingPath) }

    private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let members: [String: JSONValue]
        let codingPath: [any CodingKey]

        var allKeys: [Key] { members.keys.compactMap(Key.init(stringValue:)) }
        func contains(_ key: Key) -> Bool { members[key.stringValue] != nil }

        private func member(_ key: Key) throws -> JSONValue {
            guard let value = members[key.stringValue] else {
                throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "missing"))
            }
            return value
        }

        func decodeNil(forKey key: Key) throws -> Bool { try member(key) == .null }
        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            try JSONDecoding.decode(type, from: member(key), at: codingPath + [key])
        }
        private func decoder(_ key: Key) throws -> JSONDecoding {
            JSONDecoding(value: try member(key), codingPath: codingPath + [key])
        }
        func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested>
        {
            try decoder(key).container(keyedBy: type)
        }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try decoder(key).unkeyedContainer() }
        func superDecoder() -> any Decoder { JSONDecoding(value: members["super"] ?? .null, codingPath: codingPath) }
        func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }
    }

    private struct Unkeyed: UnkeyedDecodingContainer {
        let items: [JSONValue]
        let codingPath: [any CodingKey]
        var currentIndex = 0

        init(items: [JSONValue], codingPath: [any CodingKey]) { (self.items, self.codingPath) = (items, codingPath) }

        var count: Int? { items.count }
        var isAtEnd: Bool { currentIndex >= items.count }

        private mutating func next() throws -> JSONDecoding {
            let path = codingPath + [Index(currentIndex)]
            guard !isAtEnd else {
                throw DecodingError.valueNotFound(
                    JSONValue.self, .init(codingPath: path, debugDescription: "the array ends before it."))
            }
            defer { currentIndex += 1 }
            return JSONDecoding(value: items[currentIndex], codingPath: path)
        }

        mutating func decodeNil() -> Bool {
            guard !isAtEnd, items[currentIndex] == .null else { return false }
            currentIndex += 1
            return true
        }
        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
            let item = try next()
            return try JSONDecoding.decode(type, from: item.value, at: item.codingPath)
        }
        mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
            try next().container(keyedBy: type)
        }
        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
        mutating func superDecoder() throws -> any Decoder { try next() }
    }

    private struct Single: SingleValueDecodingContainer {
        let value: JSONValue
        let codingPath: [any CodingKey]

        private func integer<I: FixedWidthInteger>(_ type: I.Type) throws -> I {
            // Text carries what `JSONValue(encoding:)` could not hold in an Int64.
            if let text = value.stringValue, I.self == UInt64.self || I.self == UInt.self, let wide = I(text) { return wide }
            guard let wide = value.integerValue else { throw mismatch(type, "an integer") }
            guard let exact = I(exactly: wide) else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: codingPath, debugDescription: "\(wide) is outside \(I.min)...\(I.max)."))
            }
            return exact
        }

        private func mismatch(_ type: Any.Type, _ expected: String) -> DecodingError {
            JSONDecoding.mismatch(type, expected, value, codingPath)
        }

        func decodeNil() -> Bool { value == .null }
        func decode(_ type: Bool.Type) throws -> Bool {
            guard let bool = value.boolValue else { throw mismatch(type, "a boolean") }
            return bool
        }
        func decode(_ type: String.Type) throws -> String {
            guard let text = value.stringValue else { throw mismatch(type, "a string") }
            return text
        }
        func decode(_ type: Double.Type) throws -> Double {
            guard let number = value.numberValue else { throw mismatch(type, "a number") }
            return number
        }
        func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
        func decode(_ type: Int.Type) throws -> Int { try integer(type) }
        func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
        func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
        func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
        func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
        func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
        func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
        func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
        func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
        func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }
        func decode<T: Decodable>(_ type: T.Type) throws -> T { try JSONDecoding.decode(type, from: value, at: codingPath) }
    }
}
