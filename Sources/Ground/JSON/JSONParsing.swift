internal import CJSON
public import Faults

extension JSONValue {
    /// Parses one whole document. Refuses invalid UTF-8, trailing bytes, depth over 512 and repeated keys (also those that
    /// only escapes tell apart). An integer past 64 bits becomes a `number`.
    public init(parsing bytes: [UInt8]) throws(Fault) {
        var builder = JSONBuilder()
        var code = builder.walk(bytes)
        if code != 0 {
            let survey = JSONSurvey(of: bytes)
            if let found = survey.offence { throw Self.refusal(found.reason, at: found.offset, in: bytes) }
            // simdjson refuses integers past 64 bits, which canonical text has for whole numbers up to 1e21: as doubles it
            // takes them.
            builder = JSONBuilder()
            code = survey.wideIntegerEnds.isEmpty ? code : builder.walk(survey.spellingWideIntegersAsDoubles(bytes))
            if code != 0 { throw Self.refusal(JSONBuilder.reason(code), at: nil, in: bytes) }
        }
        if let repeated = builder.repeatedKey {
            throw Fault(
                .usage, what: "This is not JSON that can be trusted: a key is repeated.",
                why:
                    "The object at '\(repeated.path)' has the key '\(repeated.key)' more than once, and readers disagree on which counts.",
                fix: "Keep one of them.")
        }
        self = builder.result ?? .null
    }

    public init(parsing text: String) throws(Fault) { try self.init(parsing: Array(text.utf8)) }

    private static func refusal(_ reason: String, at offset: Int?, in bytes: [UInt8]) -> Fault {
        var place = ""
        if let offset {
            let before = bytes[..<offset]
            let line = before.count { $0 == 0x0A } + 1
            let column = offset - ((before.lastIndex(of: 0x0A) ?? -1))
            place = "line \(line), column \(column) (byte \(offset)): "
        }
        return Fault(
            .usage, what: "This is not JSON.", why: place + reason, fix: "Correct the text there; RFC 8259 has the grammar.")
    }
}

/// Builds a value from simdjson's walk.
struct JSONBuilder {
    private enum Container {
        case array([JSONValue])
        case object([String: JSONValue], key: String)
    }

    private(set) var result: JSONValue?
    private(set) var repeatedKey: (path: String, key: String)?
    private var open: [Container] = []

    /// Walks a document; 0, or simdjson's error code.
    mutating func walk(_ bytes: [UInt8]) -> Int32 {
        unsafe withUnsafeMutablePointer(to: &self) { builder in
            var visitor = unsafe JSONBuilder.visitor(of: builder)
            return unsafe bytes.withUnsafeBytes { raw in
                // A null address stands for an empty array, which the parser must not see.
                guard let base = raw.baseAddress else { return unsafe claw_json_walk("", 0, &visitor) }
                return unsafe claw_json_walk(base.assumingMemoryBound(to: CChar.self), raw.count, &visitor)
            }
        }
    }

    static func reason(_ code: Int32) -> String {
        guard let text = unsafe claw_json_error(code) else { return "simdjson error \(code)" }
        return unsafe String(cString: text)
    }

    private mutating func add(_ value: JSONValue) {
        switch open.popLast() {
        case .array(var items):
            items.append(value)
            open.append(.array(items))
        case .object(var members, let key):
            if members.updateValue(value, forKey: key) != nil, repeatedKey == nil { repeatedKey = (path, key) }
            open.append(.object(members, key: key))
        case nil: result = value
        }
    }

    private mutating func set(key: String) {
        if case .object(let members, _) = open.popLast() { open.append(.object(members, key: key)) }
    }

    private mutating func close() {
        switch open.popLast() {
        case .array(let items): add(.array(items))
        case .object(let members, _): add(.object(members))
        case nil: break
        }
    }

    /// JSON pointer of the innermost open object.
    private var path: String {
        open.map { container in
            switch container {
            case .array(let items): "/\(items.count)"
            case .object(_, let key): "/\(key)"
            }
        }.joined()
    }

    private static func text(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> String {
        unsafe String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    private static func builder(_ context: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<JSONBuilder> {
        guard let context = unsafe context else { preconditionFailure("simdjson's walk lost its context") }
        return unsafe context.assumingMemoryBound(to: JSONBuilder.self)
    }

    private static func visitor(of builder: UnsafeMutablePointer<JSONBuilder>) -> claw_json_visitor {
        unsafe claw_json_visitor(
            context: UnsafeMutableRawPointer(builder),
            null_value: { unsafe JSONBuilder.builder($0).pointee.add(.null) },
            bool_value: { unsafe JSONBuilder.builder($0).pointee.add(.bool($1 != 0)) },
            integer: { unsafe JSONBuilder.builder($0).pointee.add(.integer($1)) },
            number: { unsafe JSONBuilder.builder($0).pointee.add(.number($1)) },
            string: { unsafe JSONBuilder.builder($0).pointee.add(.string(JSONBuilder.text($1, $2))) },
            key: { unsafe JSONBuilder.builder($0).pointee.set(key: JSONBuilder.text($1, $2)) },
            begin_array: { unsafe JSONBuilder.builder($0).pointee.open.append(.array([])) },
            end_array: { unsafe JSONBuilder.builder($0).pointee.close() },
            begin_object: { unsafe JSONBuilder.builder($0).pointee.open.append(.object([:], key: "")) },
            end_object: { unsafe JSONBuilder.builder($0).pointee.close() })
    }
}
