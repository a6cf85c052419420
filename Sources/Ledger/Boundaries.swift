/// Where a test may kill the process: called at every boundary between deciding, recording and acting. In production nothing
/// listens. A listener that throws has "killed" the component: it stops there and then, as a process that was killed would.
public struct Boundaries: Sendable {
    /// Called with the boundary's name each time that one is reached.
    public var reach: @Sendable (String) throws -> Void

    public init(reach: @escaping @Sendable (String) throws -> Void) { self.reach = reach }

    /// Nobody listens.
    public static let unwatched = Boundaries { _ in }
}

/// The boundaries of the ledger itself; a component lists its own the same way, so that a test can tell which was never reached.
public enum LedgerBoundary: String, CaseIterable, Sendable {
    case beforeAppendCommit = "ledger.append.before_commit"
    case afterAppendCommit = "ledger.append.after_commit"
    case beforeCheckpointCommit = "ledger.checkpoint.before_commit"
    case afterCheckpointCommit = "ledger.checkpoint.after_commit"

    /// Every name that the ledger ever reaches.
    public static var allNames: [String] { allCases.map(\.rawValue) }
}
