internal import CCollectives
import Synchronization

/// The connections and the shared memory of one epoch. One thread at a time runs operations; any thread may end it.
/// `state` guards the interrupt and the connections.
@safe final class Mesh: @unchecked Sendable {
    let membership: Membership
    let topology: Topology
    let slot: Int32
    /// By place; none for this rank. The doorway reads from them, `state` guards writing and closing.
    let controls: [Int: Int32]
    private let mesh: OpaquePointer
    private let interrupt: OpaquePointer
    private let state = Mutex(State())

    private struct State {
        var failure: CollectiveFailure?
        var isTornDown = false
    }

    init(
        membership: Membership, topology: Topology, slot: Int32, controls: [Int: Int32], mesh: OpaquePointer,
        interrupt: OpaquePointer
    ) {
        (self.membership, self.topology, self.slot) = (membership, topology, slot)
        unsafe (self.controls, self.mesh, self.interrupt) = (controls, mesh, interrupt)
    }

    var epoch: UInt64 { membership.epoch }
    var failure: CollectiveFailure? { state.withLock { $0.failure } }

    // MARK: ending

    /// Ends every wait of this epoch, here and (`tells`) at the peers. The first reason stays.
    func fail(_ failure: CollectiveFailure, tells: Bool) {
        state.withLock { state in
            guard !state.isTornDown, state.failure == nil else { return }
            state.failure = failure
            unsafe _ = claw_interrupt_raise(interrupt, failure.reason.rawValue, failure.slot ?? -1)
            guard tells else { return }
            let message = ControlMessage(
                .ended, epoch: epoch, code: failure.reason.rawValue, slot: failure.slot ?? slot, text: failure.text)
            send(message)
        }
    }

    /// Takes over a reason that was raised while the mesh was built.
    func failIfInterrupted() {
        var failure = claw_failure()
        if unsafe claw_interrupt_failure(interrupt, &failure) != 0 { fail(CollectiveFailure(failure), tells: true) }
    }

    /// A member said goodbye: what waits for it ends, the rest goes on.
    func left(_ place: Int) {
        state.withLock { state in
            if !state.isTornDown { unsafe claw_interrupt_left(interrupt, Int32(place)) }
        }
    }

    /// Closes everything, after the last operation ended and the doorway reads no more.
    func tearDown(saying farewell: ControlMessage?) {
        state.withLock { state in
            guard !state.isTornDown else { return }
            state.isTornDown = true
            if let farewell { send(farewell) }
            unsafe claw_mesh_destroy(mesh)
            unsafe claw_interrupt_destroy(interrupt)
            for descriptor in controls.values { claw_close(descriptor) }
        }
    }

    private func send(_ message: ControlMessage) {
        // Who cannot be told sees the connection end instead.
        for descriptor in controls.values { _ = Wire(descriptor: descriptor).write(message.bytes) }
    }

    // MARK: operations

    /// What the group knows and the mesh does not.
    struct Conditions {
        var step: UInt64
        /// Negative: no limit.
        var timeoutNanoseconds: Int64
        /// How long a wait in shared memory looks before it sleeps.
        var spinNanoseconds: Int64
    }

    /// Runs one operation in the calling thread. When it fails the whole epoch has failed: ranks cannot know of each other who
    /// got how far.
    func run(_ operation: Operation, _ conditions: Conditions, residuals: Residuals) throws(CollectiveFailure) {
        if let failure { throw failure }
        do {
            switch operation.kind {
            case .allReduce(let reducing): try allReduce(operation, reducing, conditions, residuals)
            case .broadcast(let root): try broadcast(operation, root: root, conditions)
            case .allGather(let own): unsafe try allGather(operation, own: own, conditions)
            case .barrier: try barrier(conditions)
            }
        } catch {
            // What the interrupt says is known better by whoever raised it.
            // A wrong call is wrong on all ranks alike, and nothing was begun.
            if error.reason != .badArgument { fail(error, tells: true) }
            throw failure ?? error
        }
    }

    private func described(_ conditions: Conditions) -> claw_operation {
        var described = unsafe claw_operation()
        unsafe described.step = conditions.step
        unsafe described.scale = 1
        unsafe described.timeout_ns = conditions.timeoutNanoseconds
        unsafe described.spin_ns = conditions.spinNanoseconds
        return unsafe described
    }

    private func allReduce(
        _ operation: Operation, _ reducing: Operation.Reducing, _ conditions: Conditions, _ residuals: Residuals
    ) throws(CollectiveFailure) {
        var whole = unsafe described(conditions)
        unsafe whole.count = UInt64(reducing.count)
        unsafe whole.type = reducing.type.rawValue
        unsafe whole.reduction = reducing.reduction.rawValue
        unsafe whole.bucket = reducing.bucket
        let average = reducing.reduction == .average ? 1 / Double(membership.members.count) : 1
        if topology.isShared {
            var local = unsafe whole
            unsafe local.scale = topology.isRemote ? 1 : average
            unsafe try CollectiveFailure.check { unsafe claw_region_all_reduce(mesh, &local, operation.data, $0) }
        }
        guard topology.isRemote else { return }
        if topology.isFirst {
            unsafe whole.scale = average
            let isShortened = reducing.type == .float32 && [.sum, .average].contains(reducing.reduction)
            unsafe whole.wire = isShortened ? reducing.wire.rawValue : WireFormat.float32.rawValue
            unsafe try betweenHosts(operation, &whole, residuals)
        }
        if topology.isShared { unsafe try shareResult(operation.data, bytes: operation.bytes, conditions) }
    }

    private func betweenHosts(
        _ operation: Operation, _ whole: inout claw_operation, _ residuals: Residuals
    ) throws(CollectiveFailure) {
        func run(_ whole: inout claw_operation) throws(CollectiveFailure) {
            unsafe try CollectiveFailure.check {
                topology.isRing
                    ? unsafe claw_host_ring(mesh, &whole, operation.data, $0)
                    : unsafe claw_host_exchange(mesh, &whole, operation.data, $0)
            }
        }
        guard unsafe whole.wire == WireFormat.int8.rawValue, unsafe whole.count > 0 else { return unsafe try run(&whole) }
        var kept = unsafe whole
        unsafe try residuals.spend(bucket: whole.bucket, count: Int(whole.count)) { current, next throws(CollectiveFailure) in
            unsafe (kept.residual, kept.residual_next) = (current, next)
            unsafe try run(&kept)
        }
    }

    /// The host's first rank has what the others of the host need.
    private func shareResult(
        _ data: UnsafeMutableRawPointer, bytes: Int, root: Int = 0, _ conditions: Conditions
    ) throws(CollectiveFailure) {
        var shared = unsafe described(conditions)
        unsafe try CollectiveFailure.check {
            unsafe claw_region_broadcast(mesh, &shared, data, UInt64(bytes), Int32(root), $0)
        }
    }

    private func broadcast(_ operation: Operation, root: Int32, _ conditions: Conditions) throws(CollectiveFailure) {
        guard let place = membership.place(of: root) else {
            throw CollectiveFailure(.badArgument, slot: root, "slot \(root), whose bytes all should get, is no member")
        }
        let host = topology.hosts.firstIndex { $0.contains(place) } ?? 0
        let isHere = host == topology.host
        let local = topology.hosts[host].firstIndex(of: place) ?? 0
        if isHere, topology.isShared {
            unsafe try shareResult(operation.data, bytes: operation.bytes, root: local, conditions)
        }
        if topology.isRemote, topology.isFirst {
            var described = unsafe described(conditions)
            unsafe try CollectiveFailure.check {
                unsafe claw_host_broadcast(mesh, &described, operation.data, UInt64(operation.bytes), Int32(host), $0)
            }
        }
        if !isHere, topology.isShared { unsafe try shareResult(operation.data, bytes: operation.bytes, conditions) }
    }

    private func allGather(
        _ operation: Operation, own: UnsafeRawPointer, _ conditions: Conditions
    ) throws(CollectiveFailure) {
        let bytes = operation.bytes
        // Host by host: mostly that is the order of the slots already.
        let order = topology.hosts.flatMap { $0 }
        let isInOrder = order == Array(order.indices)
        let packed =
            unsafe isInOrder ? operation.data : .allocate(byteCount: max(1, bytes * order.count), alignment: 64)
        defer { if !isInOrder { unsafe packed.deallocate() } }
        let begins = topology.hosts.indices.map { host in topology.hosts[..<host].reduce(0) { $0 + $1.count } }
        let here = unsafe packed + begins[topology.host] * bytes
        var described = unsafe described(conditions)
        if topology.isShared {
            let places = unsafe topology.hosts[topology.host].indices.map { index -> UnsafeMutablePointer<UInt8>? in
                unsafe (here + index * bytes).assumingMemoryBound(to: UInt8.self)
            }
            unsafe try CollectiveFailure.check {
                unsafe claw_region_all_gather(mesh, &described, own, places, UInt64(bytes), $0)
            }
        } else if bytes > 0 {
            unsafe here.copyMemory(from: own, byteCount: bytes)
        }
        if topology.isRemote, topology.isFirst {
            let places = unsafe begins.map { begin -> UnsafeMutablePointer<UInt8>? in
                unsafe (packed + begin * bytes).assumingMemoryBound(to: UInt8.self)
            }
            let lengths = topology.hosts.map { UInt64($0.count * bytes) }
            unsafe try CollectiveFailure.check {
                unsafe claw_host_all_gather(mesh, &described, places, lengths, $0)
            }
        }
        if topology.isRemote, topology.isShared {
            unsafe try shareResult(packed, bytes: bytes * order.count, conditions)
        }
        guard !isInOrder, bytes > 0 else { return }
        for (index, place) in order.enumerated() {
            unsafe (operation.data + place * bytes).copyMemory(from: packed + index * bytes, byteCount: bytes)
        }
    }

    private func barrier(_ conditions: Conditions) throws(CollectiveFailure) {
        var described = unsafe described(conditions)
        if topology.isShared { unsafe try CollectiveFailure.check { unsafe claw_region_barrier(mesh, &described, $0) } }
        guard topology.isRemote else { return }
        if topology.isFirst {
            let places = unsafe [UnsafeMutablePointer<UInt8>?](repeating: nil, count: topology.hosts.count)
            let lengths = [UInt64](repeating: 0, count: topology.hosts.count)
            unsafe try CollectiveFailure.check { unsafe claw_host_all_gather(mesh, &described, places, lengths, $0) }
        }
        if topology.isShared { unsafe try CollectiveFailure.check { unsafe claw_region_barrier(mesh, &described, $0) } }
    }
}
