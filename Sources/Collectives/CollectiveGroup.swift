internal import CCollectives
import Synchronization

/// One rank's membership in a job. Operations run one after the other, in the order in which they were called: in the calling
/// thread where nothing else runs, else in a thread of the group's own.
@safe public final class CollectiveGroup: @unchecked Sendable {  // `state` guards what changes; residuals belong to who is `isBusy`
    public static let worksMax = 1_024
    public static let secretMin = 16

    public let slot: Int32
    /// Where peers reach this rank.
    public let address: MeshAddress
    private let doorway: Doorway
    private let meter: OpaquePointer
    private let bell: UnsafeMutablePointer<claw_bell>
    private let residuals = Residuals()
    private let generation = claw_generation()
    private let state = Mutex(State())
    private let threads = Mutex<[Thread]>([])

    @safe private struct Building: @unchecked Sendable {  // only raised, which is atomic
        let interrupt: OpaquePointer
    }

    private enum ResidualOrder {
        case forget(UInt32?)
        case settle(Bool)
    }

    private struct State {
        var mesh: Mesh?
        /// Raised to end a membership that is being built. Null when none is.
        var building: Building?
        var isConfiguring = false
        var isClosed = false
        /// An operation runs. Whoever sets this owns mesh and residuals until it is unset.
        var isBusy = false
        var queue: [Work] = []
        var step: UInt64 = 0
        var timeoutNanoseconds: Int64 = -1
        /// What is to be done with the residuals before the next operation.
        var orders: [ResidualOrder] = []
        var statistics = Statistics()
        var latest: UInt64 = 0
    }

    /// `listen`: where to, port 0 for any. Without a secret only this machine may come.
    public init(slot: Int32, listen: MeshAddress, secret: String?) throws(CollectiveFailure) {
        guard slot >= 0 else { throw CollectiveFailure(.badArgument, "slot \(slot) is no slot: they are numbered from 0") }
        let secret = Array((secret ?? "").utf8)
        guard secret.isEmpty || secret.count >= CollectiveGroup.secretMin else {
            throw CollectiveFailure(
                .badArgument, "the job's secret has \(secret.count) bytes, and \(CollectiveGroup.secretMin) are the least")
        }
        var failure = claw_failure()
        var (port, isLoopback) = (listen.port, false)
        let listener = unsafe claw_listen(listen.host, &port, &isLoopback, &failure)
        guard listener >= 0 else { throw CollectiveFailure(failure) }
        guard isLoopback || !secret.isEmpty else {
            claw_close(listener)
            throw CollectiveFailure(
                .refused, "a group without a secret listens on this machine only, not on \(listen.host): set OPENCLAW_JOB_SECRET")
        }
        doorway = try Doorway(slot: slot, listener: listener, secret: secret)
        guard let meter = unsafe claw_meter_create() else { throw CollectiveFailure(.failed, "no memory for a group") }
        unsafe (self.meter, self.slot, address) = (meter, slot, MeshAddress(host: listen.host, port: port))
        unsafe bell = .allocate(capacity: 1)
        unsafe bell.initialize(to: claw_bell(word: 0))
        let doorway = doorway
        let listening = try Thread { doorway.run() }
        threads.withLock { $0.append(listening) }
    }

    deinit {
        unsafe claw_meter_destroy(meter)
        unsafe bell.deallocate()
    }

    private func checkProcess() throws(CollectiveFailure) {
        if claw_generation() != generation {
            throw CollectiveFailure(.forked, "this process is a forked child: the group belongs to its parent")
        }
    }

    // MARK: membership

    /// Joins the members of an epoch, in place of those before. Returns when all are there.
    public func configure(_ membership: Membership, seconds: Double? = nil) throws(CollectiveFailure) {
        try checkProcess()
        guard membership.place(of: slot) != nil else {
            throw CollectiveFailure(.badArgument, slot: slot, "slot \(slot) itself is no member of epoch \(membership.epoch)")
        }
        guard let interrupt = unsafe claw_interrupt_create() else { throw CollectiveFailure(.failed, "too many files are open") }
        do {
            unsafe try beginConfiguring(membership, interrupt)
        } catch {
            unsafe claw_interrupt_destroy(interrupt)
            throw error
        }
        var building = unsafe MeshBuilding(
            membership: membership, slot: slot, doorway: doorway, interrupt: interrupt, meter: meter,
            deadline: seconds.flatMap { Stopwatch.deadline(in: $0) })
        do {
            let mesh = try building.build()
            doorway.hear(mesh)
            state.withLock { state in
                state.building = nil
                (state.mesh, state.step, state.isConfiguring) = (mesh, 0, false)
                state.statistics.epochs += 1
                mesh.failIfInterrupted()
            }
            unsafe claw_bell_ring(bell)
        } catch {
            state.withLock { state in
                state.building = nil
                state.isConfiguring = false
            }
            unsafe claw_bell_ring(bell)
            unsafe claw_interrupt_destroy(interrupt)
            throw error
        }
    }

    /// Ends the epoch before, and everything that was to run in it.
    private func beginConfiguring(_ membership: Membership, _ interrupt: OpaquePointer) throws(CollectiveFailure) {
        let (old, queue) = try state.withLock { state throws(CollectiveFailure) -> (Mesh?, [Work]) in
            if state.isClosed { throw CollectiveFailure(.closed, "the group was closed") }
            if state.isConfiguring { throw CollectiveFailure(.aborted, "another thread configures this group") }
            let least = state.mesh.map { $0.epoch + 1 } ?? state.latest
            guard membership.epoch >= least else {
                throw CollectiveFailure(
                    .staleEpoch, slot: slot, epoch: state.latest,
                    "epoch \(membership.epoch) is over: this rank was in epoch \(state.latest)")
            }
            state.isConfiguring = true
            state.building = unsafe Building(interrupt: interrupt)
            state.latest = membership.epoch
            defer { (state.mesh, state.queue) = (nil, []) }
            return (state.mesh, state.queue)
        }
        let over = CollectiveFailure(.aborted, "epoch \(membership.epoch) began before this operation did")
        for work in queue { work.end(over) }
        leave(old, saying: ControlMessage(.moved, epoch: old?.epoch ?? 0, slot: slot, first: membership.epoch), over)
    }

    /// Ends a mesh that is nobody's any more.
    private func leave(_ mesh: Mesh?, saying farewell: ControlMessage, _ reason: CollectiveFailure) {
        guard let mesh else { return }
        let isBusy = state.withLock { $0.isBusy }
        if isBusy { mesh.fail(reason, tells: false) }
        waitUntil { !$0.isBusy }
        doorway.hear(nil)
        mesh.tearDown(saying: farewell)
    }

    /// Ends everything in flight, here and at the peers.
    public func abort(slot dead: Int32?, why: String) throws(CollectiveFailure) {
        try checkProcess()
        let failure =
            dead.map { CollectiveFailure(.peerDead, slot: $0, why.isEmpty ? "slot \($0) is dead" : "slot \($0) is dead: \(why)") }
            ?? CollectiveFailure(.aborted, why.isEmpty ? "the group was told to abort" : why)
        let mesh = state.withLock { state -> Mesh? in
            if let building = state.building {
                unsafe _ = claw_interrupt_raise(building.interrupt, failure.reason.rawValue, dead ?? -1)
            }
            return state.mesh
        }
        if let mesh, dead == nil || mesh.membership.place(of: dead ?? -1) != nil { mesh.fail(failure, tells: true) }
    }

    /// Says goodbye and ends what is in flight. The group answers nothing any more.
    public func close() {
        if claw_generation() != generation { return }
        let (mesh, queue, wasClosed) = state.withLock { state -> (Mesh?, [Work], Bool) in
            let wasClosed = state.isClosed
            state.isClosed = true
            if let building = state.building {
                unsafe _ = claw_interrupt_raise(building.interrupt, CollectiveFailure.Reason.closed.rawValue, -1)
            }
            defer { (state.mesh, state.queue) = (nil, []) }
            return (state.mesh, state.queue, wasClosed)
        }
        if wasClosed { return }
        let closed = CollectiveFailure(.closed, "the group was closed")
        for work in queue { work.end(closed) }
        waitUntil { !$0.isConfiguring }
        leave(mesh, saying: ControlMessage(.goodbye, epoch: mesh?.epoch ?? 0, slot: slot), closed)
        unsafe claw_bell_ring(bell)
        doorway.close()
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    // MARK: operations

    /// Runs an operation and returns when it ended.
    public func run(_ operation: Operation) throws(CollectiveFailure) {
        try checkProcess()
        let running = try state.withLock { state throws(CollectiveFailure) -> (Mesh, Mesh.Conditions)? in
            let mesh = try ready(state)
            if state.isBusy || !state.queue.isEmpty { return nil }
            return (mesh, begin(&state))
        }
        guard let (mesh, conditions) = running else { return try start(operation).wait() }
        try perform(operation, in: mesh, conditions)
    }

    /// Starts an operation that ends by itself.
    public func start(_ operation: Operation) throws(CollectiveFailure) -> Work {
        try checkProcess()
        try startThread()
        let work = Work(operation)
        try state.withLock { state throws(CollectiveFailure) in
            _ = try ready(state)
            guard state.queue.count < CollectiveGroup.worksMax else {
                throw CollectiveFailure(.limitReached, "\(CollectiveGroup.worksMax) operations wait already")
            }
            state.queue.append(work)
        }
        unsafe claw_bell_ring(bell)
        return work
    }

    private func ready(_ state: borrowing State) throws(CollectiveFailure) -> Mesh {
        if state.isClosed { throw CollectiveFailure(.closed, "the group was closed") }
        guard let mesh = state.mesh else {
            throw CollectiveFailure(.notConfigured, "the group has no members: it was never configured, or that failed")
        }
        if let failure = mesh.failure { throw failure }
        return mesh
    }

    private func begin(_ state: inout State, isAlone: Bool = true) -> Mesh.Conditions {
        state.isBusy = true
        defer { state.step += 1 }
        for order in state.orders {
            switch order {
            case .forget(let bucket): residuals.forget(bucket)
            case .settle(let keeps): residuals.settle(keeps: keeps)
            }
        }
        state.orders = []
        // Who computes beside needs the core more than a wait does.
        return Mesh.Conditions(
            step: state.step, timeoutNanoseconds: state.timeoutNanoseconds, spinNanoseconds: isAlone ? 50_000 : 10_000)
    }

    private func perform(_ operation: Operation, in mesh: Mesh, _ conditions: Mesh.Conditions) throws(CollectiveFailure) {
        let begun = Stopwatch.now
        var failed: CollectiveFailure?
        do { try mesh.run(operation, conditions, residuals: residuals) } catch { failed = error }
        let took = Stopwatch.now - begun
        let rings = state.withLock { state in
            state.isBusy = false
            state.statistics.busyNanoseconds += took
            if failed == nil {
                state.statistics.operations += 1
                state.statistics.logicalBytes += UInt64(operation.bytes)
            } else {
                state.statistics.failures += 1
            }
            // Nobody else waits for this: a ring is a call to the system.
            return state.isConfiguring || state.isClosed || !state.queue.isEmpty
        }
        if rings { unsafe claw_bell_ring(bell) }
        if let failed { throw failed }
    }

    // MARK: what it tells

    /// The epoch it is in, how many are, and what ended it.
    public var membershipState: (epoch: UInt64, members: Int, failure: CollectiveFailure?) {
        let mesh = state.withLock { $0.mesh }
        return (mesh?.epoch ?? 0, mesh?.membership.members.count ?? 0, mesh?.failure)
    }

    /// How long an operation waits for a peer that says nothing; nil: for as long as it takes.
    public func setTimeout(seconds: Double?) {
        let nanoseconds = seconds.map { $0 > 0 ? Int64(min($0, 1e9) * 1e9) : -1 } ?? -1
        state.withLock { $0.timeoutNanoseconds = nanoseconds }
    }

    /// Drops the rounding errors kept for a bucket, or for all (nil), before the next operation.
    public func forgetResiduals(bucket: UInt32?) { order(.forget(bucket)) }

    /// Ends a step: the rounding errors that its operations spent stay spent, or (`keeps` false: the step will be done again) go
    /// back to what they were, for each bucket's last operation since the last time.
    public func settleResiduals(keeps: Bool) { order(.settle(keeps)) }

    private func order(_ order: ResidualOrder) {
        state.withLock { state in
            // Two that follow each other settle no more than the first.
            if case .settle = order, case .settle? = state.orders.last { return }
            state.orders.append(order)
        }
    }

    public var statistics: Statistics {
        var counted = openclaw_statistics()
        unsafe claw_meter_read(meter, &counted)
        var statistics = state.withLock { $0.statistics }
        statistics.add(counted)
        return statistics
    }

    // MARK: the group's thread

    private func startThread() throws(CollectiveFailure) {
        try threads.withLock { threads throws(CollectiveFailure) in
            if threads.count > 1 { return }
            threads.append(try Thread { [self] in while runNext() {} })
        }
    }

    /// Waits for an operation and runs it. False when the group was closed.
    private func runNext() -> Bool {
        waitUntil { $0.isClosed || !$0.isBusy && !$0.queue.isEmpty }
        let next = state.withLock { state -> (Work, Mesh, Mesh.Conditions)? in
            guard !state.isClosed, !state.isBusy, let mesh = state.mesh, !state.queue.isEmpty else { return nil }
            return (state.queue.removeFirst(), mesh, begin(&state, isAlone: false))
        }
        guard let (work, mesh, conditions) = next else { return !state.withLock { $0.isClosed } }
        do {
            try perform(work.operation, in: mesh, conditions)
            work.end(nil)
        } catch {
            work.end(error)
        }
        return true
    }

    private func waitUntil(_ condition: (borrowing State) -> Bool) {
        while true {
            let seen = unsafe claw_bell_value(bell)
            if state.withLock({ condition($0) }) { return }
            unsafe claw_bell_wait(bell, seen, -1)
        }
    }
}
