internal import CCollectives

/// Why an operation, or a membership, ended: what a caller branches on, and a text for a person.
public struct CollectiveFailure: Error, Equatable, Sendable {
    /// The numbers are those of the C interface.
    public enum Reason: Int32, Sendable, CaseIterable {
        case failed = 1
        case badArgument = 2
        case peerDead = 3
        case aborted = 4
        case staleEpoch = 5
        case timedOut = 6
        case corrupted = 7
        case mismatch = 8
        case notConfigured = 9
        case refused = 10
        case limitReached = 11
        case forked = 12
        case closed = 13
    }

    public var reason: Reason
    /// The slot at fault, where it is one.
    public var slot: Int32?
    /// The later epoch that others are in, where that is the reason.
    public var epoch: UInt64?
    public var text: String

    public init(_ reason: Reason, slot: Int32? = nil, epoch: UInt64? = nil, _ text: String) {
        (self.reason, self.slot, self.epoch, self.text) = (reason, slot, epoch, text)
    }

    /// What C filled in, after it answered something else than 0.
    init(_ failure: claw_failure) {
        var failure = failure
        let text = unsafe withUnsafeBytes(of: &failure.text) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        self.init(Reason(rawValue: failure.code) ?? .failed, slot: failure.slot >= 0 ? failure.slot : nil, text)
    }

    /// Calls C and throws what it fills in.
    static func check(_ call: (UnsafeMutablePointer<claw_failure>) -> Int32) throws(CollectiveFailure) {
        var failure = claw_failure()
        if unsafe call(&failure) != 0 { throw CollectiveFailure(failure) }
    }
}
