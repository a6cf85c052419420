/// How a call ended (gRPC's status codes).
public struct RPCStatus: Error, Equatable, Sendable {
    public enum Code: Int32, Sendable {
        case ok = 0
        case cancelled
        case unknown
        case invalidArgument
        case deadlineExceeded
        case notFound
        case alreadyExists
        case permissionDenied
        case resourceExhausted
        case failedPrecondition
        case aborted
        case outOfRange
        case unimplemented
        case `internal`
        case unavailable
        case dataLoss
        case unauthenticated
    }
    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String = "") { (self.code, self.message) = (code, message) }

    public static let ok = RPCStatus(.ok)
}
