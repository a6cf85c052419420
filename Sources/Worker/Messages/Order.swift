public import RPC

/// What the daemon tells a Worker (docs/protocols/worker.proto). Exactly one of the messages is there, or `ack` alone.
public struct Order: ProtoMessage, Equatable {
    public static let protoName = "Order"
    /// Where Workers open their stream.
    public static let method = "/openclaw.worker.v1.Workers/Attend"

    /// Every report up to this sequence is recorded.
    public var ack: UInt64 = 0
    public var welcome: Welcome?
    public var membership: Membership?
    public var dead: Dead?
    public var stop: Stop?
    public var checkpointNow: Nudge?
    public var stackWanted: Nudge?
    /// Nobody waits for this Worker any more: it kills its rank and ends.
    public var leave: Nudge?

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "ack", &ack)
        c.field(2, "welcome", &welcome)
        c.field(3, "membership", &membership)
        c.field(4, "dead", &dead)
        c.field(5, "stop", &stop)
        c.field(6, "checkpoint_now", &checkpointNow)
        c.field(7, "stack_wanted", &stackWanted)
        c.field(8, "leave", &leave)
    }
}

public struct Welcome: ProtoMessage, Equatable {
    public static let protoName = "Welcome"
    public var world: Int32 = 0
    /// Of this Worker's reports.
    public var acknowledged: UInt64 = 0

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "world", &world)
        c.field(2, "acknowledged", &acknowledged)
    }
}

public struct Member: ProtoMessage, Equatable {
    public static let protoName = "Member"
    public var slot: Int32 = 0
    public var address = ""
    public var host = ""
    /// `live`, `joining` or `gone`.
    public var state = ""
    public var peer = ""

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "slot", &slot)
        c.field(2, "address", &address)
        c.field(3, "host", &host)
        c.field(4, "state", &state)
        c.field(5, "peer", &peer)
    }
}

/// Who makes up the mesh from now on.
public struct Membership: ProtoMessage, Equatable {
    public static let protoName = "Membership"
    public var epoch: Int64 = 0
    public var world: Int32 = 0
    public var members: [Member] = []

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "epoch", &epoch)
        c.field(2, "world", &world)
        c.field(3, "members", &members)
    }
}

public struct Dead: ProtoMessage, Equatable {
    public static let protoName = "Dead"
    public var slot: Int32 = 0

    public init() {}
    public init(slot: Int32) { self.slot = slot }
    public mutating func fields(_ c: inout ProtoCodec) { c.field(1, "slot", &slot) }
}

public struct Stop: ProtoMessage, Equatable {
    public static let protoName = "Stop"
    public var withinSeconds = 0.0
    public var checkpoint = false

    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "within_s", &withinSeconds)
        c.field(2, "checkpoint", &checkpoint)
    }
}

public struct Nudge: ProtoMessage, Equatable {
    public static let protoName = "Nudge"
    public init() {}
    public mutating func fields(_ c: inout ProtoCodec) {}
}
