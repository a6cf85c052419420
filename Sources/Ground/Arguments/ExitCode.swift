/// Ends a command with this code after it has printed all it had to say (a release that was rolled back under `--watch`).
public struct ExitCode: Error, Equatable, Sendable {
    public let code: Int32
    public init(_ code: Int32) { self.code = code }
}
