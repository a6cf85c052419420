public import Faults
import Glibc
import JSON
import Processes
import Telemetry

/// The Worker: starts one rank's command, watches it, and stands between its script and the daemon until the daemon knows how
/// it ended.
public actor RankSupervisor {
    /// How long the end is kept for a daemon that is away.
    static let patience = Duration.seconds(3_600)
    static let heartbeatEvery = Duration.seconds(1)
    static let memoryLook = Duration.milliseconds(250)
    /// Between SIGTERM and SIGKILL.
    static let grace = Duration.seconds(5)
    /// For the end of what a rank said, once it has ended.
    static let restPatience = Duration.seconds(5)

    private let plan: WorkerPlan
    private let limits: RankLimits
    private let reports = ReportQueue()
    private let log: OutputLog
    private var door: ScriptDoor?
    private var child: BoundChild?
    private var hasHello = false
    private var saidBye = false
    private var wasStopped = false
    private var isOverMemory = false
    private var exception = ""
    private var memoryPeak: Int64 = 0
    private var cpu: Int64 = 0
    private var lastStep: ContinuousClock.Instant?
    private var lastMembership: JSONValue?
    private var stopping: Task<Void, Never>?

    public init(_ plan: WorkerPlan) {
        self.plan = plan
        log = OutputLog(path: plan.log, rank: plan.slot)
        limits = RankLimits(
            memoryMax: plan.memoryMax, cpusMax: plan.cpusMax, name: "\(plan.job)-\(plan.slot)")
    }

    /// Returns when the rank has ended and the daemon knows, or does not want to.
    public func run() async throws(Fault) {
        let line = makeLine()
        let attending = Task { [self] in
            do throws(Fault) { try await line.attend() } catch { leave(because: error.why) }
        }
        let ended: Ended
        do throws(Fault) {
            try start()
            ended = await watch()
        } catch {
            log.note(error.what)
            ended = refusal(error)
        }
        await finish(ended)
        attending.cancel()
    }

    /// Asked by a signal: as the daemon would ask, in a hurry.
    public func stop() { stop(within: .zero, checkpoint: false) }

    // MARK: Starting

    private func makeLine() -> DaemonLine {
        var register = Register()
        (register.job, register.attempt, register.slot) = (plan.job, Int64(plan.attempt), Int32(plan.slot))
        (register.life, register.node, register.process) = (Int32(plan.life), plan.node, getpid())
        return DaemonLine(plan: plan, reports: reports, register: register) { order in await self.hear(order) }
    }

    private func start() throws(Fault) {
        try SocketPlace.make(String(plan.socket[..<(plan.socket.lastIndex(of: "/") ?? plan.socket.startIndex)]))
        door = try ScriptDoor(path: plan.socket) { message, descriptor in
            // In order: the reading thread waits until the message has been taken.
            blocking { await self.hear(message, from: descriptor) }
        }
        var start = BoundChild.Plan(arguments: plan.command, directory: plan.directory, environment: plan.wholeEnvironment)
        (start.cgroups, start.dataBytesMax) = (limits.groups.folders, limits.dataBytesMax)
        let log = log
        log.note(
            "attempt \(plan.attempt)\(plan.life > 0 ? ", replacement \(plan.life)" : ""): \(plan.command.joined(separator: " "))")
        let child = try BoundChild.start(start) { bytes in bytes.isEmpty ? log.end() : log.append(bytes) }
        self.child = child
        var started = Started()
        (started.process, started.startTime, started.remarks) = (child.processID, child.startTime, limits.remarks)
        var report = Report()
        report.started = started
        reports.putLasting(report)
    }

    // MARK: Watching

    private func watch() async -> Ended {
        guard let child else { return Ended() }
        let beating = Task { await beat(child) }
        let status = await child.wait()
        beating.cancel()
        stopping?.cancel()
        await ProcessGroup.sweep(marked: plan.mark)
        await hearTheRest()
        return ending(status)
    }

    /// What it said and wrote last may still lie in the socket and in the pipe. Both end now, since nobody is left who could hold
    /// them open; should somebody have got away, that one is not waited for.
    private func hearTheRest() async {
        door?.close()
        let deadline = ContinuousClock.now + RankSupervisor.restPatience
        while !(log.hasEnded && door?.isQuiet != false), ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(2))
        }
        log.end()
    }

    private func beat(_ child: BoundChild) async {
        var looks = 0
        while !Task.isCancelled {
            let usage = ProcessGroup.usage(of: child.processID)
            memoryPeak = max(memoryPeak, usage.memoryBytes)
            cpu = max(cpu, usage.cpuMilliseconds)
            if limits.watchesMemory, usage.memoryBytes > plan.memoryMax, !isOverMemory {
                isOverMemory = true
                log.note("it uses \(usage.memoryBytes >> 20) MiB, and \(plan.memoryMax >> 20) MiB is its limit: killed")
                child.signal(SIGKILL)
            }
            if looks % 4 == 0 { sendHeartbeat(usage) }
            looks += 1
            try? await Task.sleep(for: RankSupervisor.memoryLook)
        }
    }

    private func sendHeartbeat(_ usage: ProcessGroup.Usage) {
        var heartbeat = Heartbeat()
        (heartbeat.cpuMilliseconds, heartbeat.memoryBytes, heartbeat.memoryPeakBytes) = (cpu, usage.memoryBytes, memoryPeak)
        let since = lastStep.map { $0.duration(to: .now) / .milliseconds(1) }
        heartbeat.sinceStepMilliseconds = since.map { Int64($0) } ?? -1
        var report = Report()
        report.heartbeat = heartbeat
        reports.put(report)
    }

    private func ending(_ status: ExitStatus) -> Ended {
        var ended = Ended()
        switch status {
        case .exited(let code): ended.code = code
        case .signalled(let number): ended.signal = number
        case .timedOut, .unknown: break  // never of a bound child
        }
        ended.isOutOfMemory = isOverMemory || limits.groups.wasOutOfMemory
        ended.lastLines = Array(log.lastLines.suffix(20))
        if status != .exited(code: 0) {
            ended.exception = exception.isEmpty ? PythonException.last(in: log.lastLines) ?? "" : exception
        }
        (ended.memoryPeakBytes, ended.cpuMilliseconds) = (memoryPeak, cpu)
        (ended.wasStopped, ended.saidBye) = (wasStopped, saidBye)
        return ended
    }

    private func refusal(_ fault: Fault) -> Ended {
        var ended = Ended()
        (ended.code, ended.fault) = (127, "\(fault.what) \(fault.why)")
        return ended
    }

    // MARK: The end

    private func finish(_ ended: Ended) async {
        hasEnded = true
        limits.groups.remove()
        var report = Report()
        report.ended = ended
        do {
            try ExitRecord(ended).write(in: plan.folder)
        } catch { log.note("\(error.what) \(error.why)") }
        reports.putLasting(report)
        let deadline = ContinuousClock.now + RankSupervisor.patience
        while !reports.isDelivered, !isDisowned, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(5)) }
        door?.remove()
    }

    private var isDisowned = false
    private var hasEnded = false

    private func leave(because why: String) {
        isDisowned = true
        wasStopped = true
        guard !hasEnded else { return }
        log.note("ended by the daemon: \(why)")
        child?.signal(SIGKILL)
    }

    /// The script is asked where it listens; then the whole group, first politely.
    private func stop(within: Duration, checkpoint: Bool) {
        wasStopped = true
        guard let child, stopping == nil else { return }
        let asks = hasHello && within > .zero
        if asks { door?.say(["type": "stop", "within_s": .number(within / .seconds(1)), "checkpoint": .bool(checkpoint)]) }
        stopping = Task {
            if asks { try? await Task.sleep(for: within) }
            if Task.isCancelled { return }
            child.signal(SIGTERM)
            try? await Task.sleep(for: RankSupervisor.grace)
            if !Task.isCancelled { child.signal(SIGKILL) }
        }
    }

    // MARK: Hearing

    private func hear(_ order: Order) {
        if order.leave != nil { return leave(because: "nobody waits for it") }
        if let stop = order.stop { return self.stop(within: .seconds(stop.withinSeconds), checkpoint: stop.checkpoint) }
        if order.stackWanted != nil, saidBye {
            // On its way out it listens no more, which may take it a while.
            var report = Report()
            report.stack = Stack()
            report.stack?.threads = ["openclaw: has said goodbye"]
            return reports.put(report)
        }
        guard let message = order.scriptMessage else { return }
        if order.membership != nil { lastMembership = message }
        door?.say(message)
    }

    private func hear(_ message: JSONValue, from descriptor: Int32) {
        if message["type"] == "bye" { saidBye = true }
        guard let report = Report(script: message) else { return }
        if report.hello != nil {
            hasHello = true
            let joining = plan.environment["OPENCLAW_JOINING"] == "1"
            door?.greet(
                descriptor,
                with: [
                    "type": "welcome", "slot": .integer(Int64(plan.slot)), "world": .integer(Int64(plan.world)),
                    "attempt": .integer(Int64(plan.attempt)), "joining": .bool(joining),
                ])
            // A membership that came before somebody listened.
            if let lastMembership { door?.say(lastMembership, to: descriptor) }
        }
        if report.progress != nil { lastStep = .now }
        if let failure = report.failure { exception = failure.exception }
        if report.checkpoint != nil {
            reports.putLasting(report)
        } else if report.hello != nil || report.mesh != nil || report.joined != nil || report.output != nil || report.samples != nil
            || report.rescaled != nil
        {
            reports.putStanding(report)
        } else {
            reports.put(report)
        }
    }
}

/// For a thread of ours, never for the cooperative pool: waits until an actor has taken something.
private func blocking(_ work: @escaping @Sendable () async -> Void) {
    let done = Done()
    Task {
        await work()
        done.set()
    }
    done.wait()
}

@safe private final class Done: Sendable {
    private nonisolated(unsafe) let semaphore: UnsafeMutablePointer<sem_t>
    init() {
        unsafe semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }
    func set() { unsafe sem_post(semaphore) }
    func wait() { while unsafe sem_wait(semaphore) != 0 {} }
    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }
}
