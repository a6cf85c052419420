/// The whole command line.
public enum OpenClaw {
    public static func run(_ arguments: [String]) async -> Int32 { preconditionFailure("contract") }
}
