internal import CCollectives

/// What a group did since it was made.
public struct Statistics: Equatable, Sendable {
    /// That ended well, and otherwise.
    public var operations: UInt64 = 0
    public var failures: UInt64 = 0
    /// Of the operations' own buffers.
    public var logicalBytes: UInt64 = 0
    /// Over TCP, headers included.
    public var wireBytesSent: UInt64 = 0
    public var wireBytesReceived: UInt64 = 0
    /// Copied into shared memory.
    public var sharedBytes: UInt64 = 0
    /// Memberships joined.
    public var epochs: UInt64 = 0
    /// An operation ran; of that time, `waitingNanoseconds` nothing could be done but wait for a peer.
    public var busyNanoseconds: Int64 = 0
    public var waitingNanoseconds: Int64 = 0
    /// The slot waited for at this moment.
    public var waitingFor: Int32?

    mutating func add(_ counted: openclaw_statistics) {
        (wireBytesSent, wireBytesReceived) = (counted.wire_bytes_sent, counted.wire_bytes_received)
        sharedBytes = counted.shared_bytes
        waitingNanoseconds = Int64(counted.waiting_s * 1e9)
        waitingFor = counted.waiting_for >= 0 ? counted.waiting_for : nil
    }
}
