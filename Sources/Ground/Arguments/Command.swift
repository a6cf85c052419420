/// One verb of the command line, declared as data: `openclaw <noun> <verb> [options] [operands]`.
public struct Command: Sendable {
    public let path: [String]  // ["release", "apply"]
    public let summary: String  // one line, shown in lists
    public let discussion: String  // shown by --help
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
    public let name: String
    public let shape: Shape
    public let help: String
    public let repeats: Bool

    public static func flag(_ name: String, _ help: String) -> Parameter {
        Parameter(name: name, shape: .flag, help: help, repeats: false)
    }
    public static func option(_ name: String, _ placeholder: String, _ help: String, repeats: Bool = false) -> Parameter {
        Parameter(name: name, shape: .option(placeholder: placeholder), help: help, repeats: repeats)
    }
    public static func operand(_ name: String, _ help: String, required: Bool = true) -> Parameter {
        Parameter(name: name, shape: .operand(required: required), help: help, repeats: false)
    }
    public static func operands(_ name: String, _ help: String, minimum: Int = 1) -> Parameter {
        Parameter(name: name, shape: .operands(minimum: minimum), help: help, repeats: true)
    }
}

/// What the user typed, parsed against one command.
public struct Invocation: Sendable {
    public func has(_ flag: String) -> Bool { preconditionFailure("contract") }
    public func value(_ name: String) -> String? { preconditionFailure("contract") }
    public func values(_ name: String) -> [String] { preconditionFailure("contract") }
    /// A required operand (the parser has already refused its absence).
    public func operand(_ name: String) -> String { preconditionFailure("contract") }
}

/// The whole command line: dispatch, help, completions.
public struct CommandLine: Sendable {
    public init(program: String, summary: String, commands: [Command], common: [Parameter]) { preconditionFailure("contract") }

    /// Runs one command; returns the exit code. Faults are printed to stderr: as text, or with `--json` as
    /// `{"error":{"what","why","fix"}}`.
    public func run(_ arguments: [String]) async -> Int32 { preconditionFailure("contract") }
}
