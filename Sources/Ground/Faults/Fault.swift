/// What a person reads when something cannot be done: what happened, why, and how to mend it.
///
/// A caller that must branch gets a small closed enum instead (docs/architecture.md, "Three kinds of failure").
public struct Fault: Error, Equatable, Sendable {
    /// Decides the exit code of a command and the status of an API answer.
    public enum Kind: String, Sendable, CaseIterable {
        /// The command or request itself is malformed: exit 2, status 400.
        case usage
        /// A file the user wrote cannot be used: exit 78, status 422.
        case badConfiguration
        /// The named thing does not exist: exit 1, status 404.
        case notFound
        /// Something else happened first, or holds what is asked for: exit 1, status 409.
        case conflict
        /// The caller may not do this: exit 1, status 403.
        case forbidden
        /// No valid credentials: exit 1, status 401.
        case unauthenticated
        /// A stated limit was reached: exit 1, status 429.
        case limitReached
        /// The daemon, or something it stands on, cannot be reached or cannot record: exit 3, status 503.
        case unavailable
        /// It was tried and did not work: exit 1, status 500.
        case failed
    }

    public var kind: Kind
    public var what: String
    public var why: String
    public var fix: String

    public init(_ kind: Kind = .failed, what: String, why: String, fix: String) {
        (self.kind, self.what, self.why, self.fix) = (kind, what, why, fix)
    }

    /// The process exit code this fault ends a command with (0 is never a fault).
    public var exitCode: Int32 {
        switch kind {
        case .usage: 2
        case .badConfiguration: 78
        case .unavailable: 3
        case .notFound, .conflict, .forbidden, .unauthenticated, .limitReached, .failed: 1
        }
    }

    /// The HTTP status this fault is answered with.
    public var httpStatus: Int {
        switch kind {
        case .usage: 400
        case .badConfiguration: 422
        case .notFound: 404
        case .conflict: 409
        case .forbidden: 403
        case .unauthenticated: 401
        case .limitReached: 429
        case .unavailable: 503
        case .failed: 500
        }
    }
}

extension Fault: CustomStringConvertible {
    public var description: String { "error: \(what)\n  why: \(why)\n  fix: \(fix)" }
}
