public import Faults

/// How to start a child process: by posix_spawn, in its own process group, with nothing inherited but what is named here.
public struct ChildPlan: Sendable {
    /// argv[0] is looked up in the PATH of `environment`. A user's command line runs as ["/bin/sh", "-c", line].
    public var arguments: [String]
    public var directory: String
    /// The whole environment of the child (nothing is inherited silently).
    public var environment: [String: String]
    /// Output (stdout and stderr together) goes to this file, at most `outputLimit` bytes (then it is cut and says so).
    /// The child writes the file itself, so that it can outlive this daemon; a burst past the limit is cut within 0.1 s.
    public var outputPath: String
    public var outputLimit: Int

    public init(
        arguments: [String], directory: String, environment: [String: String], outputPath: String, outputLimit: Int = 16 << 20
    ) {
        (self.arguments, self.directory, self.environment, self.outputPath, self.outputLimit) =
            (arguments, directory, environment, outputPath, outputLimit)
    }
}

public enum ExitStatus: Equatable, Sendable {
    case exited(code: Int32)
    case signalled(Int32)
    /// Its time limit passed: the group was asked with SIGTERM, then killed.
    case timedOut
    /// It has ended, but it was adopted, and the kernel tells an exit status to the parent alone.
    case unknown
}

/// One running child and its process group, watched through a pidfd. When the first process of the group ends, the rest of
/// the group is killed: nothing a command leaves behind lives on unseen. Dropping the handle leaves the child running.
public final class Child: Sendable {
    public let processID: Int32
    /// Kernel start time (clock ticks since boot, /proc/PID/stat field 22): with the pid it names one process for ever,
    /// so that a restarted daemon can tell "still ours" from "somebody else's by now".
    public let startTime: UInt64
    private let fate: Fate

    init(processID: Int32, startTime: UInt64, fate: Fate) {
        (self.processID, self.startTime, self.fate) = (processID, startTime, fate)
    }

    /// At most 256 children are watched at a time.
    public static func start(_ plan: ChildPlan) throws(Fault) -> Child { try ChildWatch.shared.start(plan) }

    /// Takes up a process that an earlier life of this daemon started; nil when it has ended or the pid is somebody else's.
    /// Its output file is found by asking the kernel, and kept under `outputLimit` again.
    public static func adopt(processID: Int32, startTime: UInt64, outputLimit: Int = 16 << 20) -> Child? {
        ChildWatch.shared.adopt(processID: processID, startTime: startTime, outputLimit: outputLimit)
    }

    /// Waits until the whole group is gone, without a thread of the cooperative pool. When `limit` passes first, the child is
    /// stopped and the answer is `.timedOut`.
    public func wait(limit: Duration? = nil) async -> ExitStatus {
        let deadline = limit.map { ContinuousClock.now.advanced(by: $0) }
        if let status = await ChildWatch.shared.end(of: fate, before: deadline) { return status }
        await stop()
        return .timedOut
    }

    public var isRunning: Bool { fate.status == nil }

    /// SIGTERM to the group, SIGKILL after `grace`; returns when all is gone.
    public func stop(grace: Duration = .seconds(5)) async {
        let deadline = ContinuousClock.now.advanced(by: grace)
        ChildWatch.shared.signal(fate, .terminate(lingeringUntil: deadline))
        if await ChildWatch.shared.end(of: fate, before: deadline) != nil { return }
        ChildWatch.shared.signal(fate, .kill)
        _ = await ChildWatch.shared.end(of: fate, before: nil)
    }

    /// The last lines written to `path`, for a fault's `why` (at most `bytes`).
    public static func tail(of path: String, bytes: Int = 2_048) -> String { ChildOutput.tail(of: path, bytes: bytes) }
}
