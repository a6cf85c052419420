internal import CBoundProcess
internal import CLinux
public import Faults
import Glibc
import Synchronization

/// A process that cannot outlive this one: the kernel kills it when this process ends, however it ends. Its output is read here.
/// When it ends, what it left behind in its group is killed, and every other child of this process too: only for a process that
/// exists to watch it (`openclaw worker`).
public final class BoundChild: Sendable {
    public struct Plan: Sendable {
        /// argv[0] is looked up in the PATH of `environment`.
        public var arguments: [String]
        public var directory: String
        public var environment: [String: String]
        /// Folders of control groups (cgroups) that it enters.
        public var cgroups: [String] = []
        /// Bytes of private memory (RLIMIT_DATA); nil for no limit.
        public var dataBytesMax: Int64?

        public init(arguments: [String], directory: String, environment: [String: String]) {
            (self.arguments, self.directory, self.environment) = (arguments, directory, environment)
        }
    }

    public let processID: Int32
    /// See `Child.startTime`.
    public let startTime: UInt64
    private let ending = Mutex(Ending())

    private struct Ending {
        var status: ExitStatus?
        /// Its number may be somebody else's from now on.
        var isReaped = false
        var waiters: [CheckedContinuation<ExitStatus, Never>] = []
    }

    private init(processID: Int32, startTime: UInt64) { (self.processID, self.startTime) = (processID, startTime) }

    /// Starts it. `output` hears everything that it and its descendants write, in order, on a thread of its own; an empty piece
    /// is the end.
    public static func start(_ plan: Plan, output: @escaping @Sendable (ArraySlice<UInt8>) -> Void) throws(Fault) -> BoundChild {
        _ = claw_adopt_orphans()
        var pipe: [Int32] = [0, 0]
        guard unsafe claw_pipe2(&pipe, O_CLOEXEC) == 0 else { throw plan.refusal(errno) }
        let (reading, writing) = (pipe[0], pipe[1])
        defer { close(writing) }
        // The kernel's promise is to the thread that started it: that one stays until it has ended.
        let started = Started()
        do throws(Fault) {
            try plan.thread("rank") { started.answer(plan.spawn(writing)) { child in child.attend() } }
        } catch {
            close(reading)
            throw error
        }
        let child: BoundChild
        do throws(Fault) { child = try started.wait() } catch {
            close(reading)
            throw error
        }
        try plan.thread("output") { read(from: reading, output) }
        return child
    }

    /// Waits for the end of it and of what it started.
    public func wait() async -> ExitStatus {
        await withCheckedContinuation { waiter in
            let known = ending.withLock { ending in
                if ending.status == nil { ending.waiters.append(waiter) }
                return ending.status
            }
            if let known { waiter.resume(returning: known) }
        }
    }

    /// To its whole group; nothing when it has ended.
    public func signal(_ number: Int32) {
        ending.withLock { ending in
            if !ending.isReaped { kill(-processID, number) }
        }
    }

    // MARK: Its thread

    /// Waits, without reaping: as a zombie it keeps its group's number. Then the rest of the group goes, and its orphans.
    private func attend() {
        var info = unsafe siginfo_t()
        while unsafe waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let value = unsafe info._sifields._sigchld.si_status
        let status: ExitStatus = unsafe info.si_code == Int32(CLD_EXITED) ? .exited(code: value) : .signalled(value)
        kill(-processID, SIGKILL)
        ending.withLock { $0.isReaped = true }
        // Descendants that left the group came to us when their parents died.
        var rounds = 0
        while rounds < 500 {
            for orphan in ProcessTable.children(of: getpid()) where orphan != processID { kill(orphan, SIGKILL) }
            var reaped: Int32 = 1
            while reaped > 0 { reaped = waitpid(-1, nil, Int32(WNOHANG)) }
            if reaped < 0 { break }  // nobody is left
            rounds += 1
            usleep(10_000)
        }
        let waiters = ending.withLock { ending in
            ending.status = status
            defer { ending.waiters = [] }
            return ending.waiters
        }
        for waiter in waiters { waiter.resume(returning: status) }
    }

    private static func read(from descriptor: Int32, _ output: (ArraySlice<UInt8>) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            output(buffer[..<count])
        }
        close(descriptor)
        output([])
    }

    /// What the thread that starts it tells the one that asked.
    private final class Started: Sendable {
        private let result = Mutex<Result<BoundChild, Fault>?>(nil)

        func answer(_ outcome: Result<BoundChild, Fault>, then attend: (BoundChild) -> Void) {
            result.withLock { $0 = outcome }
            if case .success(let child) = outcome { attend(child) }
        }

        /// Spawning takes a millisecond: it is waited for in place.
        func wait() throws(Fault) -> BoundChild {
            while true {
                if let outcome = result.withLock(\.self) { return try outcome.get() }
                usleep(100)
            }
        }
    }

    fileprivate static func make(_ processID: Int32) -> BoundChild {
        BoundChild(processID: processID, startTime: ProcessTable.entry(processID)?.startTime ?? 0)
    }
}

extension BoundChild.Plan {
    fileprivate func spawn(_ output: Int32) -> Result<BoundChild, Fault> {
        guard let program = arguments.first else { return .failure(refusal(EINVAL)) }
        let folders = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
        let path = program.contains("/") ? program : folders.map { "\($0)/\(program)" }.first { unsafe access($0, X_OK) == 0 }
        guard let path else { return .failure(refusal(ENOENT)) }
        var reason: Int32 = 0
        let processID = unsafe ChildPlan.withCStrings(arguments) { argv in
            unsafe ChildPlan.withCStrings(environment.map { "\($0.key)=\($0.value)" }.sorted()) { envp in
                unsafe ChildPlan.withCStrings(cgroups.map { $0 + "/cgroup.procs" }) { groups in
                    unsafe claw_spawn_bound(path, argv, envp, directory, output, groups, dataBytesMax ?? 0, &reason)
                }
            }
        }
        return processID > 0 ? .success(BoundChild.make(processID)) : .failure(refusal(reason))
    }

    fileprivate func refusal(_ code: Int32) -> Fault {
        Fault(
            what: "The command '\(arguments.joined(separator: " "))' cannot be started.",
            why: "In \(directory): \(unsafe String(cString: strerror(code)).lowercased()).",
            fix: "Check that the program and its folder exist and may be used.")
    }

    fileprivate func thread(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Fault) {
        let entry = unsafe Unmanaged.passRetained(ThreadBody(body))
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                var every = sigset_t()
                unsafe sigfillset(&every)
                unsafe pthread_sigmask(SIG_BLOCK, &every, nil)
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, entry.toOpaque())
        guard code == 0 else {
            unsafe entry.release()
            throw refusal(code)
        }
        pthread_detach(thread)
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
