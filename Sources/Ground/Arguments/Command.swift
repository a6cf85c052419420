/// One verb of the command line, declared as data: `openclaw <noun> <verb> [options] [operands]`.
public struct Command: Sendable {
    public let path: [String]  // ["release", "apply"]
    public let summary: String  // one line, shown in lists
    /// Shown by --help: paragraphs are wrapped, lines that begin with two spaces stay as they are (examples).
    public let discussion: String
    public let parameters: [Parameter]
    public let run: @Sendable (Invocation) async throws -> Void

    public init(
        _ path: String, summary: String, discussion: String = "", parameters: [Parameter] = [],
        run: @escaping @Sendable (Invocation) async throws -> Void
    ) {
        self.path = path.split(separator: " ").map(String.init)
        (self.summary, self.discussion, self.parameters, self.run) = (summary, discussion, parameters, run)
    }
}

/// One flag, option or operand of a command.
public struct Parameter: Sendable {
    public enum Shape: Equatable, Sendable {
        case flag  // --watch
        case option(placeholder: String)  // --home DIR
        case operand(required: Bool)  // NAME
        case operands(minimum: Int)  // FILE...
    }
    /// Without dashes: `watch`, `home`, `NAME`.
    public let name: String
    public let shape: Shape
    public let help: String
    public let repeats: Bool

    public static func flag(_ name: String, _ help: String) -> Parameter {
        Parameter(name: bare(name), shape: .flag, help: help, repeats: false)
    }
    public static func option(_ name: String, _ placeholder: String, _ help: String, repeats: Bool = false) -> Parameter {
        Parameter(name: bare(name), shape: .option(placeholder: placeholder), help: help, repeats: repeats)
    }
    public static func operand(_ name: String, _ help: String, required: Bool = true) -> Parameter {
        Parameter(name: name, shape: .operand(required: required), help: help, repeats: false)
    }
    public static func operands(_ name: String, _ help: String, minimum: Int = 1) -> Parameter {
        Parameter(name: name, shape: .operands(minimum: minimum), help: help, repeats: true)
    }

    /// `--watch` and `watch` name the same flag.
    static func bare(_ name: String) -> String { name.hasPrefix("--") ? String(name.dropFirst(2)) : name }

    var isOperand: Bool {
        switch shape {
        case .operand, .operands: true
        case .flag, .option: false
        }
    }

    /// `--watch`; a name of one letter has one dash: `-f`.
    var dashed: String { (name.count == 1 ? "-" : "--") + name }

    /// As usage lines write it: `--watch`, `--home DIR`, `NAME`, `[NAME]`, `FILE...`.
    var spelling: String {
        switch shape {
        case .flag: dashed
        case .option(let placeholder): "\(dashed) \(placeholder)"
        case .operand(required: true): name
        case .operand(required: false): "[\(name)]"
        case .operands(minimum: 0): "[\(name)...]"
        case .operands: "\(name)..."
        }
    }
}

/// Thrown by a command that has already said everything on stdout and only wants its exit code: a failed verdict.
public struct SilentExit: Error, Equatable {
    public let code: Int32
    public init(code: Int32) { self.code = code }
}
