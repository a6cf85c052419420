/// A template taken apart: texts, and the variables between `{{` and `}}`. A backslash before `{{` lets it stand for itself.
public struct PromptText: Equatable, Sendable {
    public enum Piece: Equatable, Sendable {
        case text(String)
        case variable(String)
    }
    public let pieces: [Piece]

    /// What the user wrote: the one variable that no prompt declares.
    public static let input = "input"

    /// Why a template cannot be taken apart.
    public enum Mistake: Error, Equatable, Sendable {
        /// `{{` without its `}}`.
        case open(line: Int)
        /// What stands between the braces is no name.
        case notAName(String, line: Int)
    }

    public init(_ template: String) throws(Mistake) {
        var pieces: [Piece] = []
        var text: [UInt8] = []
        let bytes = Array(template.utf8)
        var at = 0
        var line = 1
        while at < bytes.count {
            if PromptText.begins(bytes, at: at, with: "\\{{") {
                text += Array("{{".utf8)
                at += 3
            } else if PromptText.begins(bytes, at: at, with: "{{") {
                guard let end = (at + 2..<bytes.count).first(where: { PromptText.begins(bytes, at: $0, with: "}}") }) else {
                    throw .open(line: line)
                }
                let name = String(decoding: bytes[(at + 2)..<end], as: UTF8.self).filter { $0 != " " }
                guard PromptVariable.isName(name) else { throw .notAName(name, line: line) }
                if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
                text = []
                pieces.append(.variable(name))
                at = end + 2
            } else {
                if bytes[at] == 0x0A { line += 1 }
                text.append(bytes[at])
                at += 1
            }
        }
        if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
        self.pieces = pieces
    }

    /// Each variable once, in the order of appearance.
    public var variables: [String] {
        var names: [String] = []
        for case .variable(let name) in pieces where !names.contains(name) { names.append(name) }
        return names
    }

    private static func begins(_ bytes: [UInt8], at place: Int, with text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard place + count <= bytes.count else { return false }
        for index in 0..<count where unsafe bytes[place + index] != text.utf8Start[index] { return false }
        return true
    }
}
