internal import CLinux
import Faults
import Glibc
import Synchronization

/// Watches all children of this process from one thread: their ends (pidfd), the waiters' deadlines, the size of their output.
final class ChildWatch: Sendable {
    static let shared = ChildWatch()

    enum Signal {
        /// SIGTERM; when the first process ends before `lingeringUntil`, the rest of its group has until then.
        case terminate(lingeringUntil: ContinuousClock.Instant)
        case kill
    }

    private struct Watched {
        let fate: Fate
        let startTime: UInt64
        let pidfd: Int32
        let isOurChild: Bool
        let output: ChildOutput?
        /// Set once its first process has ended; the others are then on their way out.
        var ended: (status: ExitStatus, killGroupAt: ContinuousClock.Instant, giveUpAt: ContinuousClock.Instant)?
        var lingeringUntil: ContinuousClock.Instant?
    }

    private static let childrenMax = 256
    private static let outputLook = Duration.milliseconds(100)
    private static let groupLook = Duration.milliseconds(10)
    /// A group that survives SIGKILL for so long hangs in the kernel; waiting longer would not help.
    private static let groupPatience = Duration.seconds(5)

    private let children = Mutex<[Int32: Watched]>([:])
    /// Written to when the thread must look again.
    private let wake: Int32

    private init() {
        wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        precondition(wake >= 0, "no descriptor is left for watching children")
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { _ in
                ChildWatch.shared.watch()
                return nil
            }, nil)
        precondition(code == 0, "no thread is left for watching children")
        pthread_detach(thread)
    }

    func start(_ plan: ChildPlan) throws(Fault) -> Child {
        guard children.withLock({ $0.count }) < Self.childrenMax else {
            throw Fault(
                .limitReached, what: "No further command can be started.", why: "\(Self.childrenMax) children run already.",
                fix: "Wait until some have ended.")
        }
        let output = try ChildOutput.create(plan.outputPath, limit: plan.outputLimit)
        let processID: Int32
        do throws(Fault) { processID = try plan.spawn(output: output.descriptor) } catch {
            output.giveBack()
            throw error
        }
        // An unreaped child keeps its pid, so that both of these still mean it, even if it has ended by now.
        let pidfd = claw_pidfd_open(processID)
        guard pidfd >= 0, let entry = ProcessTable.entry(processID) else {
            let reason = unsafe String(cString: strerror(errno))
            Glibc.kill(-processID, SIGKILL)
            waitpid(processID, nil, 0)
            output.giveBack()
            throw Fault(
                what: "A command cannot be watched.", why: "Process \(processID): \(reason).",
                fix: "Raise the limit on open files (`ulimit -n`).")
        }
        let fate = Fate(processID: processID)
        add(Watched(fate: fate, startTime: entry.startTime, pidfd: pidfd, isOurChild: true, output: output))
        return Child(processID: processID, startTime: entry.startTime, fate: fate)
    }

    func adopt(processID: Int32, startTime: UInt64, outputLimit: Int) -> Child? {
        let known = children.withLock { $0[processID] }
        if let known, known.startTime == startTime, known.fate.status == nil {
            return Child(processID: processID, startTime: startTime, fate: known.fate)
        }
        guard processID > 1, known == nil else { return nil }
        let pidfd = claw_pidfd_open(processID)
        guard pidfd >= 0 else { return nil }
        // Looked up after the pidfd was opened: if it is the right process now, the pidfd is its.
        guard let entry = ProcessTable.entry(processID), entry.startTime == startTime, !entry.isZombie, entry.group == processID
        else {
            close(pidfd)
            return nil
        }
        let fate = Fate(processID: processID)
        add(
            Watched(
                fate: fate, startTime: startTime, pidfd: pidfd, isOurChild: false,
                output: ChildOutput.find(of: processID, limit: outputLimit)))
        return Child(processID: processID, startTime: startTime, fate: fate)
    }

    func end(of fate: Fate, before deadline: ContinuousClock.Instant?) async -> ExitStatus? {
        await withCheckedContinuation { continuation in
            fate.await(continuation, until: deadline)
            if deadline != nil { lookAgain() }
        }
    }

    func signal(_ fate: Fate, _ signal: Signal) {
        children.withLock { children in
            guard var watched = children[fate.processID], watched.fate === fate else { return }
            switch signal {
            case .terminate(let deadline):
                watched.lingeringUntil = deadline
                Self.kill(watched, SIGTERM)
            case .kill:
                watched.lingeringUntil = nil
                watched.ended?.killGroupAt = .now
                Self.kill(watched, SIGKILL)
            }
            children[fate.processID] = watched
        }
        lookAgain()
    }

    private func add(_ watched: Watched) {
        children.withLock { $0[watched.fate.processID] = watched }
        lookAgain()
    }

    private func lookAgain() {
        var one: UInt64 = 1
        _ = unsafe write(wake, &one, 8)
    }

    /// Signals a group under the lock. Our child's pid is ours until it is reaped, which happens under the same lock; an adopted
    /// one's may have passed to somebody else.
    private static func kill(_ watched: Watched, _ signal: Int32) {
        let processID = watched.fate.processID
        if !watched.isOurChild, let entry = ProcessTable.entry(processID), entry.startTime != watched.startTime { return }
        Glibc.kill(-processID, signal)
    }

    // MARK: the thread

    private func watch() {
        unsafe claw_name_thread("children")
        // Signals belong to the threads that wait for them.
        var every = sigset_t()
        unsafe sigfillset(&every)
        unsafe pthread_sigmask(SIG_BLOCK, &every, nil)
        while true {
            let now = ContinuousClock.now
            let (descriptors, next) = look(at: now)
            var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            let timeout = next.map { Self.milliseconds(now.duration(to: $0)) } ?? -1
            _ = unsafe poll(&polled, nfds_t(polled.count), timeout)
            var count: UInt64 = 0
            _ = unsafe read(wake, &count, 8)
        }
    }

    /// For poll: rounded up, so that a deadline has passed when it returns.
    private static func milliseconds(_ duration: Duration) -> Int32 {
        Int32(max(0, min((duration / .milliseconds(1)).rounded(.up), 60_000)))
    }

    /// One look at everything: what to wait for next, and until when at most.
    private func look(at now: ContinuousClock.Instant) -> (descriptors: [Int32], next: ContinuousClock.Instant?) {
        var gone: [(Fate, ExitStatus)] = []
        let (descriptors, fates, looks) = children.withLock { children in
            var descriptors = [wake]
            var looks: [ContinuousClock.Instant] = []
            for (processID, var watched) in children {
                watched.output?.cut()
                if watched.ended == nil, let status = Self.status(of: watched) {
                    let killAt = watched.lingeringUntil ?? now
                    watched.ended = (status, killAt, max(killAt, now).advanced(by: Self.groupPatience))
                }
                if let ended = watched.ended {
                    if now >= ended.killGroupAt { Self.kill(watched, SIGKILL) }
                    if now >= ended.giveUpAt || !ProcessTable.isAlive(group: processID) {
                        Self.reap(watched)
                        children[processID] = nil
                        gone.append((watched.fate, ended.status))
                        continue
                    }
                    looks.append(now.advanced(by: Self.groupLook))
                } else {
                    descriptors.append(watched.pidfd)
                    if watched.output != nil { looks.append(now.advanced(by: Self.outputLook)) }
                }
                children[processID] = watched
            }
            return (descriptors, children.values.map(\.fate), looks)
        }
        for (fate, status) in gone { fate.end(with: status) }
        return (descriptors, (looks + fates.compactMap { $0.expire(at: now) }).min())
    }

    /// How a first process ended, without reaping it: its zombie keeps the group's number ours while the rest is killed.
    private static func status(of watched: Watched) -> ExitStatus? {
        var polled = pollfd(fd: watched.pidfd, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&polled, 1, 0) == 1 else { return nil }
        guard watched.isOurChild else { return .unknown }
        var info = unsafe siginfo_t()
        guard unsafe waitid(P_PID, id_t(watched.fate.processID), &info, WEXITED | WNOWAIT | WNOHANG) == 0 else { return .unknown }
        let value = unsafe info._sifields._sigchld.si_status
        return unsafe info.si_code == Int32(CLD_EXITED) ? .exited(code: value) : .signalled(value)
    }

    private static func reap(_ watched: Watched) {
        if watched.isOurChild { waitpid(watched.fate.processID, nil, 0) }
        watched.output?.cut()
        watched.output?.giveBack()
        close(watched.pidfd)
    }
}
