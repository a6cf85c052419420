/// Files whose names nobody else uses.
struct DeadFiles {
    /// Words by the files that hold them, comments left out.
    private let holders: [String: Set<String>]
    private let files: [House.File]

    init(_ files: [House.File]) {
        self.files = files.filter { $0.path.hasSuffix(".swift") }
        var holders: [String: Set<String>] = [:]
        for file in self.files {
            for word in Set(DeadFiles.words(in: file.text)) { holders[word, default: []].insert(file.path) }
        }
        self.holders = holders
    }

    /// Files of Sources that declare something, all of it unused elsewhere. `alive` are entry points by another way.
    func dead(alive: Set<String>) -> [String] {
        files.filter { file in
            guard file.path.hasPrefix("Sources/"), file.name != "main.swift", !alive.contains(file.path) else { return false }
            guard let names = DeadFiles.declarations(in: file.text), !names.isEmpty else { return false }
            return names.allSatisfy { (holders[$0] ?? []).isSubset(of: [file.path]) }
        }.map { "\($0.path) is used nowhere: \((DeadFiles.declarations(in: $0.text) ?? []).sorted().joined(separator: ", "))" }
    }

    static let kinds: Set<Substring> = ["struct", "class", "enum", "actor", "protocol", "typealias", "func", "var", "let"]

    /// What a file offers to others: what stands at its top level, and what its extensions add. Nil where that cannot be told by
    /// a name (an unlabelled initializer, a subscript, an operator).
    static func declarations(in text: String) -> Set<String>? {
        var names: Set<String> = []
        var isExtension = false
        for line in code(of: text).utf8.split(separator: 0x0A).map(Substring.init) {
            let indent = line.prefix { $0 == " " }.count
            if indent == 0 { isExtension = line.words.first { !modifiers.contains($0) } == "extension" }
            guard indent == 0 || indent == 4 && isExtension else { continue }
            switch declaration(on: line) {
            case .name(let name): names.insert(name)
            case .nameless where indent == 4: return nil
            case .nameless, nil: continue
            }
        }
        return names
    }

    private enum Declaration {
        case name(String)
        case nameless
    }

    private static func declaration(on line: Substring) -> Declaration? {
        let words = line.words.drop { modifiers.contains($0) && $0 != "class" || $0 == "class" && line.has("class func") }
        guard let kind = words.first else { return nil }
        let next = words.dropFirst().first
        switch kind {
        case "init":
            // The first label is how others call it.
            let label = line.firstIndex(of: "(").map { line[$0...].dropFirst().prefix { $0.isLetter || $0.isNumber || $0 == "_" } }
            return label.map { $0 == "_" || $0.isEmpty ? .nameless : .name(String($0)) }
        case "subscript": return .nameless
        case _ where kinds.contains(kind): return next.map { .name(String($0)) } ?? .nameless
        default: return nil
        }
    }

    static let modifiers: Set<Substring> = [
        "public", "internal", "package", "final", "static", "class", "mutating", "nonisolated", "indirect", "override", "lazy",
        "weak",
        "unowned", "consuming", "borrowing", "convenience", "required", "distributed", "unsafe", "set", "private", "fileprivate",
        "safe",
        "discardableResult", "inlinable", "usableFromInline", "inline", "always", "MainActor", "unchecked", "prefix", "postfix",
    ]

    private static func words(in text: String) -> [String] {
        code(of: text).words.map(String.init)
    }

    /// The text without its comments. Strings stay, because code stands inside them too.
    static func code(of text: String) -> String {
        let bytes = Array(text.utf8)
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var at = 0
        var isString = false
        var nested = 0
        while at < bytes.count {
            let (byte, next) = (bytes[at], at + 1 < bytes.count ? bytes[at + 1] : 0)
            if nested > 0 {
                if byte == 0x2A, next == 0x2F { (nested, at) = (nested - 1, at + 1) }
                if byte == 0x2F, next == 0x2A { (nested, at) = (nested + 1, at + 1) }
                if byte == 0x0A { kept.append(byte) }
            } else if !isString, byte == 0x2F, next == 0x2F {
                while at + 1 < bytes.count, bytes[at + 1] != 0x0A { at += 1 }
            } else if !isString, byte == 0x2F, next == 0x2A {
                (nested, at) = (1, at + 1)
            } else {
                kept.append(byte)
                if isString, byte == 0x5C, next == 0x22 || next == 0x5C { (kept, at) = (kept + [next], at + 1) }
                if byte == 0x22 { isString.toggle() }
                // No string of one line reaches the next, so that a misread quote mends itself there.
                if byte == 0x0A { isString = false }
            }
            at += 1
        }
        return String(decoding: kept, as: UTF8.self)
    }
}
