internal import CYAML
import Faults

/// Reads libyaml's events into nodes. Safe: it owns the parser and the input, and copies out all that it hands on.
@safe
struct YAMLParser: ~Copyable {
    private static let bytesMax = 1 << 20
    private static let depthMax = 64

    private let file: String
    private let bytes: [UInt8]
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    /// What an event carries, copied out of libyaml's memory.
    private struct Event {
        enum Kind {
            case documentStart, streamEnd
            case scalar(String, quoted: Bool)
            case alias, sequence, mapping, end, other
        }
        let kind: Kind
        let line: Int
        /// It has an anchor, or a tag: `&name`, `!!str`.
        let anchored: Bool
        let tagged: Bool
    }

    init(text: String, file: String) throws(Fault) {
        bytes = Array(text.utf8)
        guard bytes.count <= Self.bytesMax else {
            throw Fault(
                .badConfiguration, what: "\(file) is too long.",
                why: "\(file) line 1: it has \(bytes.count) bytes, and a file may have \(Self.bytesMax).",
                fix: "Split it into several files.")
        }
        self.file = file
        unsafe parser = .allocate(capacity: 1)
        unsafe input = .allocate(capacity: bytes.count)
        _ = unsafe input.initialize(from: bytes)
        guard unsafe yaml_parser_initialize(parser) == 1 else { preconditionFailure("libyaml has no memory") }
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    mutating func documents() throws(Fault) -> [YAMLNode] {
        var documents: [YAMLNode] = []
        while true {
            let event = try next()
            switch event.kind {
            case .streamEnd: return documents
            case .documentStart:
                let root = try node(from: try next(), depth: 0)
                if case .scalar("", quoted: false) = root.content { continue }
                documents.append(root)
            default: continue
            }
        }
    }

    private mutating func node(from event: Event, depth: Int) throws(Fault) -> YAMLNode {
        guard depth < Self.depthMax else {
            throw fault("It is nested too deeply.", "more than \(Self.depthMax) levels.", line: event.line, fix: "Nest it less.")
        }
        guard !event.anchored else {
            throw fault(
                "Anchors are not taken.", "an anchor (&name) hides what a file says.", line: event.line,
                fix: "Write the value out where it is needed.")
        }
        guard !event.tagged else {
            throw fault(
                "Tags are not taken.", "a tag (!name) changes what a value means.", line: event.line,
                fix: "Remove it; quotes make a text.")
        }
        switch event.kind {
        case .scalar(let text, let quoted): return make(.scalar(text, quoted: quoted), event)
        case .sequence:
            var items: [YAMLNode] = []
            while let item = try nextInside() { items.append(try node(from: item, depth: depth + 1)) }
            return make(.sequence(items), event)
        case .mapping:
            var entries: [YAMLNode.Entry] = []
            var lines: [String: Int] = [:]
            while let key = try nextInside() {
                let entry = try entry(key, depth: depth)
                if let first = lines.updateValue(entry.keyLine, forKey: entry.key) {
                    throw fault(
                        "`\(entry.key)` is given twice.", "it already stands on line \(first).", line: entry.keyLine,
                        fix: "Keep one of them.")
                }
                entries.append(entry)
            }
            return make(.mapping(entries), event)
        case .alias:
            throw fault(
                "Aliases are not taken.", "an alias (*name) hides what a file says.", line: event.line,
                fix: "Write the value out where it is needed.")
        case .documentStart, .streamEnd, .end, .other: preconditionFailure("libyaml sent an event out of order")
        }
    }

    private mutating func entry(_ key: Event, depth: Int) throws(Fault) -> YAMLNode.Entry {
        let keyNode = try node(from: key, depth: depth + 1)
        guard case .scalar(let name, _) = keyNode.content else {
            throw fault("A key must be a word.", "this key is \(keyNode.kind).", line: key.line, fix: "Write `key: value`.")
        }
        let value = try node(from: try next(), depth: depth + 1)
        return YAMLNode.Entry(key: name, keyLine: key.line, value: value)
    }

    private func make(_ content: YAMLNode.Content, _ event: Event) -> YAMLNode {
        YAMLNode(content: content, file: file, line: event.line)
    }

    /// The next event of a collection, or nil at its end.
    private mutating func nextInside() throws(Fault) -> Event? {
        let event = try next()
        if case .end = event.kind { return nil }
        return event
    }

    private mutating func next() throws(Fault) -> Event {
        var raw = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &raw) == 1 else { throw syntaxFault() }
        defer { unsafe yaml_event_delete(&raw) }
        let line = unsafe Int(raw.start_mark.line) + 1
        switch unsafe raw.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe raw.data.scalar
            let text = unsafe String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            let quoted = unsafe scalar.style != YAML_PLAIN_SCALAR_STYLE
            return unsafe Event(
                kind: .scalar(text, quoted: quoted), line: line, anchored: scalar.anchor != nil, tagged: scalar.tag != nil)
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe raw.data.sequence_start
            return unsafe Event(kind: .sequence, line: line, anchored: start.anchor != nil, tagged: start.tag != nil)
        case YAML_MAPPING_START_EVENT:
            let start = unsafe raw.data.mapping_start
            return unsafe Event(kind: .mapping, line: line, anchored: start.anchor != nil, tagged: start.tag != nil)
        case let type: return Event(kind: Self.kind(type), line: line, anchored: false, tagged: false)
        }
    }

    private static func kind(_ type: yaml_event_type_t) -> Event.Kind {
        switch type {
        case YAML_DOCUMENT_START_EVENT: .documentStart
        case YAML_STREAM_END_EVENT, YAML_NO_EVENT: .streamEnd
        case YAML_ALIAS_EVENT: .alias
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: .end
        default: .other
        }
    }

    private func syntaxFault() -> Fault {
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "it cannot be read"
        let context = unsafe parser.pointee.context.map { unsafe String(cString: $0) + ": " } ?? ""
        let line: Int
        if unsafe parser.pointee.error == YAML_READER_ERROR {
            // The reader knows its place only as a byte offset.
            line = unsafe bytes.prefix(parser.pointee.problem_offset).count { $0 == 0x0A } + 1
        } else {
            // What is never closed is missed one line past the end.
            let lines = bytes.count { $0 == 0x0A } + (bytes.last == 0x0A ? 0 : 1)
            line = unsafe min(Int(parser.pointee.problem_mark.line) + 1, max(lines, 1))
        }
        return fault(
            "\(file) is not YAML.", "\(context)\(problem).", line: line,
            fix: "Look at the indentation, the quotes and the colons around that line.")
    }

    private func fault(_ what: String, _ why: String, line: Int, fix: String) -> Fault {
        Fault(.badConfiguration, what: what, why: "\(file) line \(line): \(why)", fix: fix)
    }
}
