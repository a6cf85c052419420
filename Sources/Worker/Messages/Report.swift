public import RPC

/// What a Worker tells the daemon (docs/protocols/worker.proto). Exactly one of the messages is there.
public struct Report: ProtoMessage, Equatable {
    public static let protoName = "Report"
    /// 1 and up where it must be acknowledged, 0 where it may be lost.
    public var sequence: UInt64 = 0
    /// Unix time in milliseconds.
    public var at: Int64 = 0
    public var register: Register?
    public var heartbeat: Heartbeat?
    public var started: Started?
    public var hello: Hello?
    public var mesh: Mesh?
    public var joined: Joined?
    public var progress: Progress?
    public var log: LogLine?
    public var checkpoint: Checkpoint?
    public var remark: Remark?
    public var failure: Failure?
    public var stack: Stack?
    public var samples: Samples?
    public var output: Output?
    public var ended: Ended?
    public var resumed: Resumed?
    public var rescaled: Rescaled?
    public var wire: WireChosen?

    public init() {}

    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "sequence", &sequence)
        c.field(2, "at_ms", &at)
        c.field(3, "register", &register)
        c.field(4, "heartbeat", &heartbeat)
        c.field(5, "started", &started)
        c.field(6, "hello", &hello)
        c.field(7, "mesh", &mesh)
        c.field(8, "joined", &joined)
        c.field(9, "progress", &progress)
        c.field(10, "log", &log)
        c.field(11, "checkpoint", &checkpoint)
        c.field(12, "remark", &remark)
        c.field(13, "failure", &failure)
        c.field(14, "stack", &stack)
        c.field(15, "samples", &samples)
        c.field(16, "output", &output)
        c.field(17, "ended", &ended)
        c.field(18, "resumed", &resumed)
        c.field(19, "rescaled", &rescaled)
        c.field(20, "wire", &wire)
    }
}

/// The first report of every stream: who this Worker is.
public struct Register: ProtoMessage, Equatable {
    public static let protoName = "Register"
    public var job = ""
    public var attempt: Int64 = 0
    public var slot: Int32 = 0
    /// 0 for the first process of the slot in this attempt, 1 for its first replacement.
    public var life: Int32 = 0
    public var process: Int32 = 0
    public var startTime: UInt64 = 0
    public var node = ""

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "job", &job)
        c.field(2, "attempt", &attempt)
        c.field(3, "slot", &slot)
        c.field(4, "life", &life)
        c.field(5, "process", &process)
        c.field(6, "start_time", &startTime)
        c.field(7, "node", &node)
    }
}

public struct Heartbeat: ProtoMessage, Equatable {
    public static let protoName = "Heartbeat"
    /// User and system time of the rank's processes until now.
    public var cpuMilliseconds: Int64 = 0
    /// Resident, of all its processes.
    public var memoryBytes: Int64 = 0
    public var memoryPeakBytes: Int64 = 0
    /// Since the last progress; -1 before the first.
    public var sinceStepMilliseconds: Int64 = 0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "cpu_ms", &cpuMilliseconds)
        c.field(2, "memory_bytes", &memoryBytes)
        c.field(3, "memory_peak_bytes", &memoryPeakBytes)
        c.field(4, "since_step_ms", &sinceStepMilliseconds)
    }
}

public struct Started: ProtoMessage, Equatable {
    public static let protoName = "Started"
    public var process: Int32 = 0
    public var startTime: UInt64 = 0
    /// Limits that could not be set, and why.
    public var remarks: [String] = []

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "process", &process)
        c.field(2, "start_time", &startTime)
        c.field(3, "remarks", &remarks)
    }
}

public struct Checkpoint: ProtoMessage, Equatable {
    public static let protoName = "Checkpoint"
    public var path = ""
    public var step: Int64 = 0
    public var size: Int64 = 0
    public var copySeconds = 0.0
    public var writeSeconds = 0.0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "path", &path)
        c.field(2, "step", &step)
        c.field(3, "bytes", &size)
        c.field(4, "copy_s", &copySeconds)
        c.field(5, "write_s", &writeSeconds)
    }
}

/// How a rank's command ended.
public struct Ended: ProtoMessage, Equatable {
    public static let protoName = "Ended"
    /// Of a process that ended by itself.
    public var code: Int32 = 0
    /// 0 where none ended it.
    public var signal: Int32 = 0
    public var isOutOfMemory = false
    /// The Python exception that ended it, where one did.
    public var exception = ""
    public var lastLines: [String] = []
    /// It could not be started at all: why.
    public var fault = ""
    public var memoryPeakBytes: Int64 = 0
    public var cpuMilliseconds: Int64 = 0
    /// It ended after it was asked to.
    public var wasStopped = false
    public var saidBye = false

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "code", &code)
        c.field(2, "signal", &signal)
        c.field(3, "out_of_memory", &isOutOfMemory)
        c.field(4, "exception", &exception)
        c.field(5, "last_lines", &lastLines)
        c.field(6, "fault", &fault)
        c.field(7, "memory_peak_bytes", &memoryPeakBytes)
        c.field(8, "cpu_ms", &cpuMilliseconds)
        c.field(9, "was_stopped", &wasStopped)
        c.field(10, "said_bye", &saidBye)
    }
}
