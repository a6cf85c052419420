internal import CCollectives

/// What a value is in memory. The numbers are those of the C interface.
public enum ElementType: Int32, Sendable, CaseIterable {
    case float32 = 0
    case float64 = 1
    case float16 = 2
    case bfloat16 = 3
    case int32 = 4
    case int64 = 5
    case uint8 = 6

    public var bytes: Int { Int(claw_type_bytes(rawValue)) }
}

/// How values become one.
public enum Reduction: Int32, Sendable, CaseIterable {
    case sum = 0
    case average = 1
    case maximum = 2
    case minimum = 3
    case product = 4

    /// Whether a type has it: the average is for floating types.
    public func applies(to type: ElementType) -> Bool { claw_reducible(type.rawValue, rawValue) }
}

/// How float32 travels between hosts.
public enum WireFormat: Int32, Sendable, CaseIterable {
    case float32 = 0
    case bfloat16 = 1
    /// 256 values share a scale; what rounding lost is added to the same bucket's next operation.
    case int8 = 2
}

/// One collective operation of one rank. Its buffers belong to the operation until it ended.
@safe public struct Operation: @unchecked Sendable {  // guarded by that promise of the caller
    public struct Reducing: Equatable, Sendable {
        public var count: Int
        public var type: ElementType
        public var reduction: Reduction
        public var wire: WireFormat
        /// Names the buffer over time, for the kept rounding errors.
        public var bucket: UInt32

        public init(
            count: Int, type: ElementType, reduction: Reduction, wire: WireFormat = .float32, bucket: UInt32 = 0
        ) {
            (self.count, self.type, self.reduction) = (count, type, reduction)
            (self.wire, self.bucket) = (wire, bucket)
        }
    }

    @safe enum Kind {
        case allReduce(Reducing)
        case broadcast(root: Int32)
        case allGather(from: UnsafeRawPointer)
        case barrier
    }

    let kind: Kind
    let data: UnsafeMutableRawPointer
    /// Of `data`, or of one rank's part of it in an all-gather.
    let bytes: Int

    /// Stands where there are no bytes and therefore need not be a pointer.
    private static let nowhere = unsafe Nowhere(pointer: .allocate(byteCount: 64, alignment: 64))
    @safe private struct Nowhere: @unchecked Sendable { let pointer: UnsafeMutableRawPointer }  // nobody reads or writes there

    private init(_ kind: Kind, data: UnsafeMutableRawPointer?, bytes: Int) throws(CollectiveFailure) {
        guard bytes >= 0 else { throw CollectiveFailure(.badArgument, "a negative size") }
        guard unsafe bytes == 0 || data != nil else { throw CollectiveFailure(.badArgument, "no buffer for \(bytes) bytes") }
        unsafe (self.kind, self.data, self.bytes) = (kind, data ?? Operation.nowhere.pointer, bytes)
    }

    /// Every rank's values become the sum (or average ...) of all.
    public static func allReduce(_ data: UnsafeMutableRawPointer?, _ reducing: Reducing) throws(CollectiveFailure) -> Operation {
        guard reducing.reduction.applies(to: reducing.type) else {
            throw CollectiveFailure(.badArgument, "there is no \(reducing.reduction) of \(reducing.type)")
        }
        let (bytes, isTooLarge) = reducing.count.multipliedReportingOverflow(by: reducing.type.bytes)
        guard !isTooLarge else { throw CollectiveFailure(.badArgument, "\(reducing.count) values are too many") }
        guard UInt(bitPattern: data) % UInt(reducing.type.bytes) == 0 else {
            throw CollectiveFailure(.badArgument, "the buffer does not begin where a \(reducing.type) may begin")
        }
        return unsafe try Operation(.allReduce(reducing), data: data, bytes: bytes)
    }

    /// Every rank's bytes become those of slot `root`.
    public static func broadcast(
        _ data: UnsafeMutableRawPointer?, bytes: Int, root: Int32
    ) throws(CollectiveFailure) -> Operation {
        unsafe try Operation(.broadcast(root: root), data: data, bytes: bytes)
    }

    /// `all` becomes what each member has in `own`, in the order of their slots.
    public static func allGather(
        _ own: UnsafeRawPointer?, into all: UnsafeMutableRawPointer?, bytes: Int
    ) throws(CollectiveFailure) -> Operation {
        guard unsafe bytes <= 0 || own != nil else { throw CollectiveFailure(.badArgument, "no buffer for \(bytes) bytes") }
        return unsafe try Operation(.allGather(from: own ?? UnsafeRawPointer(nowhere.pointer)), data: all, bytes: bytes)
    }

    /// Ends when all members have come here.
    public static func barrier() throws(CollectiveFailure) -> Operation { unsafe try Operation(.barrier, data: nil, bytes: 0) }
}
