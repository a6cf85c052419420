public import RPC

// What the script said to its Worker, on its way to the daemon.

public struct Hello: ProtoMessage, Equatable {
    public static let protoName = "Hello"
    public var process: Int32 = 0
    public var framework = ""
    public var version = ""
    /// Whether it goes on when another rank dies.
    public var survives = false
    public var whyNot: [String] = []
    /// Whether ranks can come and go while it trains.
    public var scales = false
    public var whyFixed: [String] = []

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "process", &process)
        c.field(2, "framework", &framework)
        c.field(3, "version", &version)
        c.field(4, "survives", &survives)
        c.field(5, "why_not", &whyNot)
        c.field(6, "scales", &scales)
        c.field(7, "why_fixed", &whyFixed)
    }
}

public struct Mesh: ProtoMessage, Equatable {
    public static let protoName = "Mesh"
    public var epoch: Int64 = 0
    /// Where this rank's mesh listens: `host:port`.
    public var address = ""
    /// Equal for ranks that share memory.
    public var host = ""
    /// Where the adapter of this rank answers the others beside the mesh: `host:port`.
    public var peer = ""

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "epoch", &epoch)
        c.field(2, "address", &address)
        c.field(3, "host", &host)
        c.field(4, "peer", &peer)
    }
}

public struct Joined: ProtoMessage, Equatable {
    public static let protoName = "Joined"
    public var epoch: Int64 = 0
    public var step: Int64 = 0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "epoch", &epoch)
        c.field(2, "step", &step)
    }
}

public struct Progress: ProtoMessage, Equatable {
    public static let protoName = "Progress"
    /// Totals of this attempt.
    public var step: Int64 = 0
    public var samples: Int64 = 0
    /// Of the last step, in seconds.
    public var stepSeconds = 0.0
    public var computeSeconds = 0.0
    public var communicationSeconds = 0.0
    public var waitSeconds = 0.0
    /// Totals of this process.
    public var wireBytes: Int64 = 0
    public var logicalBytes: Int64 = 0
    /// Of the membership.
    public var epoch: Int64 = 0
    /// 0 where nobody knows.
    public var stepsTotal: Int64 = 0
    public var dataEpoch: Int64 = 0
    public var epochsTotal: Int64 = 0
    public var memoryBytes: Int64 = 0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "step", &step)
        c.field(2, "samples", &samples)
        c.field(3, "step_s", &stepSeconds)
        c.field(4, "compute_s", &computeSeconds)
        c.field(5, "communication_s", &communicationSeconds)
        c.field(6, "wait_s", &waitSeconds)
        c.field(7, "wire_bytes", &wireBytes)
        c.field(8, "logical_bytes", &logicalBytes)
        c.field(9, "epoch", &epoch)
        c.field(10, "steps_total", &stepsTotal)
        c.field(11, "data_epoch", &dataEpoch)
        c.field(12, "epochs_total", &epochsTotal)
        c.field(13, "memory_bytes", &memoryBytes)
    }
}

public struct LoggedValue: ProtoMessage, Equatable {
    public static let protoName = "Value"
    public var name = ""
    public var value = 0.0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "name", &name)
        c.field(2, "value", &value)
    }
}

public struct LogLine: ProtoMessage, Equatable {
    public static let protoName = "Log"
    public var step: Int64 = 0
    public var values: [LoggedValue] = []

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "step", &step)
        c.field(2, "values", &values)
    }
}

/// Something a person should know; training goes on.
public struct Remark: ProtoMessage, Equatable {
    public static let protoName = "Remark"
    public var what = ""
    public var why = ""
    public var fix = ""
    /// A checkpoint failed.
    public var isCheckpoint = false

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "what", &what)
        c.field(2, "why", &why)
        c.field(3, "fix", &fix)
        c.field(4, "is_checkpoint", &isCheckpoint)
    }
}

/// An exception that nobody caught.
public struct Failure: ProtoMessage, Equatable {
    public static let protoName = "Failure"
    public var exception = ""
    public var traceback = ""

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "exception", &exception)
        c.field(2, "traceback", &traceback)
    }
}

/// What every thread of the script is doing.
public struct Stack: ProtoMessage, Equatable {
    public static let protoName = "Stack"
    public var threads: [String] = []

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) { c.field(1, "threads", &threads) }
}

public struct Samples: ProtoMessage, Equatable {
    public static let protoName = "Samples"
    public var repeated: Int64 = 0
    public var lost: Int64 = 0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "repeated_count", &repeated)
        c.field(2, "lost_count", &lost)
    }
}

/// After a death the ranks that are left took their next step.
public struct Resumed: ProtoMessage, Equatable {
    public static let protoName = "Resumed"
    /// Of the membership that they went on in.
    public var epoch: Int64 = 0
    public var step: Int64 = 0
    /// From the moment this rank's mesh broke to the end of that step.
    public var seconds = 0.0
    /// Who was lost.
    public var slots: [LostSlot] = []

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "epoch", &epoch)
        c.field(2, "step", &step)
        c.field(3, "seconds", &seconds)
        c.field(4, "slots", &slots)
    }
}

/// The ranks go on in another number, since a step boundary.
public struct Rescaled: ProtoMessage, Equatable {
    public static let protoName = "Rescaled"
    /// Of the membership that said so.
    public var epoch: Int64 = 0
    public var step: Int64 = 0
    /// What it cost until now; told again after the first step with that number.
    public var seconds = 0.0
    public var world: Int32 = 0
    public var before: Int32 = 0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "epoch", &epoch)
        c.field(2, "step", &step)
        c.field(3, "seconds", &seconds)
        c.field(4, "world", &world)
        c.field(5, "before", &before)
    }
}

/// `wire: auto` chose another format: what this rank had measured, and why.
public struct WireChosen: ProtoMessage, Equatable {
    public static let protoName = "WireChosen"
    public var step: Int64 = 0
    public var format = ""
    public var before = ""
    /// Of a step at the look at which it was chosen, in seconds.
    public var computeSeconds = 0.0
    public var waitSeconds = 0.0
    public var why = ""

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "step", &step)
        c.field(2, "format", &format)
        c.field(3, "before", &before)
        c.field(4, "compute_s", &computeSeconds)
        c.field(5, "wait_s", &waitSeconds)
        c.field(6, "why", &why)
    }
}

public struct LostSlot: ProtoMessage, Equatable {
    public static let protoName = "LostSlot"
    public var slot: Int32 = 0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) { c.field(1, "slot", &slot) }
}

public struct Output: ProtoMessage, Equatable {
    public static let protoName = "Output"
    public var path = ""

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) { c.field(1, "path", &path) }
}
