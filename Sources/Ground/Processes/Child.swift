public import Faults

/// How to start a child process: by posix_spawn, in its own process group, with nothing inherited but what is named here.
public struct ChildPlan: Sendable {
    /// argv[0] is looked up in PATH. A user's command line runs as ["/bin/sh", "-c", line].
    public var arguments: [String]
    public var directory: String
    /// The whole environment of the child (nothing is inherited silently).
    public var environment: [String: String]
    /// Output (stdout and stderr together) goes to this file, at most `outputLimit` bytes (then it is cut and says so).
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
}

/// One running child and its process group, watched through a pidfd.
public final class Child: Sendable {
    public let processID: Int32
    /// Kernel start time (clock ticks since boot, /proc/PID/stat field 22): with the pid it names one process for ever,
    /// so that a restarted daemon can tell "still ours" from "somebody else's by now".
    public let startTime: UInt64

    init(processID: Int32, startTime: UInt64) { (self.processID, self.startTime) = (processID, startTime) }

    public static func start(_ plan: ChildPlan) throws(Fault) -> Child { preconditionFailure("contract") }

    /// Takes up a process that an earlier life of this daemon started; nil when it has ended or the pid is somebody else's.
    public static func adopt(processID: Int32, startTime: UInt64) -> Child? { preconditionFailure("contract") }

    /// Waits without a thread of the cooperative pool.
    public func wait(limit: Duration? = nil) async -> ExitStatus { preconditionFailure("contract") }

    public var isRunning: Bool { preconditionFailure("contract") }

    /// SIGTERM to the group, SIGKILL after `grace`; returns when all is gone.
    public func stop(grace: Duration = .seconds(5)) async { preconditionFailure("contract") }

    /// The last lines written to `path`, for a fault's `why` (at most `bytes`).
    public static func tail(of path: String, bytes: Int = 2_048) -> String { preconditionFailure("contract") }
}
