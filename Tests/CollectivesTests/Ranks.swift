import CCollectives
import Glibc
import Statistics
import Synchronization

@testable import Collectives

/// Ranks as threads of this process, connected over real sockets and real shared memory.
struct Ranks: Sendable {
    let groups: [CollectiveGroup]
    let members: [Member]
    static let secret = "a secret of sixteen bytes and more"
    /// Far more than anything here takes; a hang becomes a failed test.
    static let patience = 60.0

    /// `hosts` says for each slot which host it lives on.
    init(hosts: [Int], secrets: [Int: String] = [:]) throws {
        groups = try hosts.indices.map { slot in
            let group = try CollectiveGroup(
                slot: Int32(slot), listen: MeshAddress(host: "127.0.0.1", port: 0), secret: secrets[slot] ?? Ranks.secret)
            group.setTimeout(seconds: Ranks.patience)
            return group
        }
        members = zip(groups, hosts).map { Member(slot: $0.slot, address: $0.address, host: "host \($1)") }
    }

    /// Joined in epoch 1.
    static func joined(hosts: [Int]) throws -> Ranks {
        let ranks = try Ranks(hosts: hosts)
        try ranks.configure(epoch: 1)
        return ranks
    }

    func configure(epoch: UInt64, slots: [Int]? = nil) throws {
        let slots = slots ?? Array(groups.indices)
        let membership = try Membership(epoch: epoch, members: slots.map { members[$0] })
        for failure in run(
            slots,
            { group throws(CollectiveFailure) in
                try group.configure(membership, seconds: Ranks.patience)
            }
        ).compactMap({ $0 }) {
            throw failure
        }
    }

    /// Each slot's body in a thread of its own; how each ended.
    func run(
        _ slots: [Int]? = nil, _ body: @escaping @Sendable (CollectiveGroup) throws(CollectiveFailure) -> Void
    ) -> [CollectiveFailure?] {
        let slots = slots ?? Array(groups.indices)
        let ends = Ends(count: slots.count)
        let threads = slots.enumerated().compactMap { index, slot -> Collectives.Thread? in
            let group = groups[slot]
            return try? Collectives.Thread {
                do throws(CollectiveFailure) { try body(group) } catch { ends.failures.withLock { $0[index] = error } }
            }
        }
        precondition(threads.count == slots.count)
        for thread in threads { thread.join() }
        return ends.failures.withLock { $0 }
    }

    private final class Ends: Sendable {
        let failures: Mutex<[CollectiveFailure?]>
        init(count: Int) { failures = Mutex(Array(repeating: nil, count: count)) }
    }

    func close() {
        _ = run { group throws(CollectiveFailure) in group.close() }
    }
}

/// Memory that a rank's operation may write to from another thread.
@safe final class Buffer: @unchecked Sendable {  // each test gives a buffer to one rank
    let bytes: UnsafeMutableRawBufferPointer

    init(bytes count: Int) {
        unsafe bytes = .allocate(byteCount: max(count, 1), alignment: 64)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    convenience init<T: BitwiseCopyable>(_ values: [T]) {
        self.init(bytes: values.count * MemoryLayout<T>.stride)
        for index in values.indices {
            unsafe bytes.storeBytes(of: values[index], toByteOffset: index * MemoryLayout<T>.stride, as: T.self)
        }
    }

    deinit { unsafe bytes.deallocate() }

    var pointer: UnsafeMutableRawPointer? { unsafe bytes.baseAddress }

    /// Whether both hold the same, in their first bytes.
    func equals(_ other: Buffer, bytes count: Int) -> Bool {
        guard let own = unsafe pointer, let others = unsafe other.pointer else { return false }
        return unsafe count == 0 || memcmp(own, others, count) == 0
    }

    func values<T: BitwiseCopyable>(_ type: T.Type, count: Int) -> [T] {
        (0..<count).map { unsafe bytes.load(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self) }
    }
}

extension CollectiveGroup {
    func allReduce(
        _ buffer: Buffer, count: Int, _ type: ElementType = .float32, _ reduction: Reduction = .sum, wire: WireFormat = .float32,
        bucket: UInt32 = 0
    ) throws(CollectiveFailure) {
        try run(
            unsafe .allReduce(
                buffer.pointer,
                Operation.Reducing(count: count, type: type, reduction: reduction, wire: wire, bucket: bucket)))
    }
}

/// Values of a type, and what their reduction must be, computed one by one.
struct Sample {
    let type: ElementType
    let numbers: [[Double]]  // by rank

    /// Small whole numbers, so that every order of adding them gives the same.
    init(_ type: ElementType, ranks: Int, count: Int, using random: inout SplitMix64) {
        self.type = type
        numbers = (0..<ranks).map { _ in (0..<count).map { _ in Double(random.next() % 4) + 1 } }
    }

    func buffer(_ rank: Int) -> Buffer { Sample.buffer(numbers[rank], type) }

    static func buffer(_ numbers: [Double], _ type: ElementType) -> Buffer {
        switch type {
        case .float32: Buffer(numbers.map { Float($0) })
        case .float64: Buffer(numbers)
        case .float16: Buffer(numbers.map { half($0) })
        case .bfloat16: Buffer(numbers.map { UInt16(truncatingIfNeeded: Float($0).bitPattern >> 16) })
        case .int32: Buffer(numbers.map { Int32($0) })
        case .int64: Buffer(numbers.map { Int64($0) })
        case .uint8: Buffer(numbers.map { UInt8(truncatingIfNeeded: Int64($0)) })
        }
    }

    /// Of whole numbers up to 2048, which float16 holds.
    private static func half(_ number: Double) -> UInt16 {
        if number == 0 { return 0 }
        let exponent = Int(number.exponent)
        return UInt16(exponent + 15) << 10 | UInt16((number / Double(1 << exponent) - 1) * 1024)
    }

    func expected(_ reduction: Reduction) -> [Double] {
        numbers[0].indices.map { index in
            let column = numbers.map { $0[index] }
            return switch reduction {
            case .sum: column.reduce(0, +)
            case .average: Double(Float(column.reduce(0, +)) * Float(1 / Double(column.count)))
            case .maximum: column.max() ?? 0
            case .minimum: column.min() ?? 0
            case .product: column.reduce(1, *)
            }
        }
    }
}
