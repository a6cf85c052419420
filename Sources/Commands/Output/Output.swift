import Arguments
import Faults
import Glibc
import JSON

/// Where a command says what it has to say: text for people, or with `--json` one document for programs.
struct Output: Sendable {
    let isJSON: Bool
    let style: Style
    /// Whether a person watches, so that a screen may be drawn again in place.
    let isTerminal: Bool

    init(_ invocation: Invocation) {
        isJSON = invocation.has("json")
        isTerminal = isatty(STDOUT_FILENO) == 1
        let environment = Environment.current
        style = isTerminal && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb" ? .coloured : .plain
    }

    /// Prints the facts as JSON, or as the text that is made of them.
    func show(_ facts: JSONValue, as text: (Style) -> String) {
        write(isJSON ? facts.prettyText : text(style))
    }

    /// Prints one text; its last line is ended when it is not yet.
    func write(_ text: String) {
        Output.write(text.hasSuffix("\n") || text.isEmpty ? text : text + "\n", to: STDOUT_FILENO)
    }

    /// Bytes as they are: a part of a text that is printed as it comes.
    func write(bytes: [UInt8]) { Output.write(bytes, to: STDOUT_FILENO) }

    /// A remark beside the output (stderr), such as what a command waits for.
    func remark(_ text: String) { Output.write(text + "\n", to: STDERR_FILENO) }

    /// One line on stderr that the next one replaces; an empty one clears it. For terminals only.
    func progress(_ text: String) { Output.write("\r\u{1B}[K" + text, to: STDERR_FILENO) }

    private static func write(_ text: String, to file: Int32) { write(Array(text.utf8), to: file) }

    private static func write(_ bytes: [UInt8], to file: Int32) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes[written...].withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }  // the reader has gone; there is nobody left to tell
            written += count
        }
    }
}

/// How a text is decorated: not at all, or for a terminal.
enum Style: Sendable {
    case plain, coloured

    private func paint(_ text: String, _ code: String) -> String { self == .plain ? text : "\u{1B}[\(code)m\(text)\u{1B}[0m" }
    func good(_ text: String) -> String { paint(text, "32") }
    func bad(_ text: String) -> String { paint(text, "31") }
    func open(_ text: String) -> String { paint(text, "33") }
    func strong(_ text: String) -> String { paint(text, "1") }
    func faint(_ text: String) -> String { paint(text, "2") }
}
