public import JSON

/// How a rank's process ended when it should not have.
public struct RankDeath: Codable, Equatable, Sendable {
    public enum Kind: String, Codable, Sendable {
        case exited, killed
        case outOfMemory = "out_of_memory"
        case notStarted = "not_started"
        case hung
        case nodeLost = "node_lost"
        case workerLost = "worker_lost"
        /// The script asked for a whole-job start with torch's own process group.
        case needsRestart = "needs_restart"
    }
    public var kind: Kind
    public var code: Int
    public var signal: Int
    /// The Python exception, where there was one.
    public var exception: String
    public var lastLines: [String]
    /// What could not be started, or what else is known.
    public var detail: String
    /// Where it was last: what each of its threads was doing.
    public var stack: [String]

    public init(
        _ kind: Kind, code: Int = 0, signal: Int = 0, exception: String = "", lastLines: [String] = [], detail: String = "",
        stack: [String] = []
    ) {
        (self.kind, self.code, self.signal, self.exception) = (kind, code, signal, exception)
        (self.lastLines, self.detail, self.stack) = (lastLines, detail, stack)
    }

    /// `exited with code 1: ValueError: no such column`
    public var text: String {
        let how =
            switch kind {
            case .exited: "exited with code \(code)"
            case .killed: "was killed by signal \(signal)\(Self.signalName(signal))"
            case .outOfMemory: "was killed: it used more memory than its limit"
            case .notStarted: "could not be started"
            case .hung: "hung"
            case .nodeLost: "was lost with its node"
            case .workerLost: "lost its Worker"
            case .needsRestart: "asked for torch's own process group"
            }
        let why = exception.isEmpty ? detail : exception.split(separator: "\n").first.map(String.init) ?? exception
        return why.isEmpty ? how : "\(how): \(why)"
    }

    private static func signalName(_ signal: Int) -> String {
        let names = [
            2: "SIGINT", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM",
        ]
        return names[signal].map { " (\($0))" } ?? ""
    }

    /// Two deaths alike: the same program fails in the same way.
    func isSame(as other: RankDeath) -> Bool {
        kind == other.kind && code == other.code && signal == other.signal && exception == other.exception
    }

    /// What follows when another rank is gone: a connection that broke, a peer that did not answer. Never the first cause where
    /// there is another.
    var isLikelyConsequence: Bool {
        let symptoms = [
            "Connection closed by peer", "Connection reset by peer", "ConnectionResetError", "ConnectionRefusedError",
            "Broken pipe", "BrokenPipeError", "gloo", "NCCL", "DistBackendError", "DistNetworkError", "TCPStore",
            "UnavailableError",
            "recvValue failed", "Socket Timeout",
        ]
        return symptoms.contains { exception.contains($0) }
    }

    public var json: JSONValue {
        var members: [String: JSONValue] = ["how": .string(kind.rawValue), "text": .string(text)]
        if kind == .exited { members["code"] = .integer(Int64(code)) }
        if signal != 0 { members["signal"] = .integer(Int64(signal)) }
        if !exception.isEmpty { members["exception"] = .string(exception) }
        if !lastLines.isEmpty { members["last_lines"] = .array(lastLines.map { .string($0) }) }
        if !detail.isEmpty { members["detail"] = .string(detail) }
        if !stack.isEmpty { members["stack"] = .array(stack.map { .string($0) }) }
        return .object(members)
    }
}
