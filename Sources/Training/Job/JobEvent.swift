public import Conducting

extension JobMachine {
    /// Where a rank is to run.
    public struct Seat: Codable, Equatable, Sendable {
        public var node: String
        /// Numbers of the devices it gets on that node.
        public var devices: [Int]
        /// `nvidia.com/gpu`; nil where it gets none.
        public var resource: String?
        /// Where other ranks reach it, and a port that was free there.
        public var host: String
        public var port: Int
        public init(node: String, devices: [Int] = [], resource: String? = nil, host: String, port: Int) {
            (self.node, self.devices, self.resource, self.host, self.port) = (node, devices, resource, host, port)
        }
    }

    public enum StopReason: Codable, Equatable, Sendable {
        case cancelled
        /// A death that survivors could not go on after.
        case restart
        /// Its place goes to another job.
        case preempted(by: String)
        /// So many ranks from now on.
        case rescaled(Int)
        /// Its node is being emptied.
        case drained(node: String)
        case failed
    }

    public enum Event: MachineEvent {
        case applied
        case timePassed
        case failed(trouble: Trouble)
        /// The scheduler found a place: a seat for each rank, on the cluster it had seen.
        case placed(seats: [Seat], port: Int, why: String)
        case launched(slot: Int, life: Int, handle: EngineHandle)
        /// Every rank has said where its mesh listens.
        case formed
        /// A replacement (or a rank whose address changed) has said where its mesh listens.
        case met(slot: Int, life: Int)
        case joined(slot: Int, life: Int, step: Int64)
        /// A replacement does not start where the dead rank was: that node takes no work.
        case reseated(slot: Int, life: Int, seat: Seat)
        /// Ended as it should.
        case left(slot: Int, life: Int)
        /// Ended otherwise. `survivable`: the others can go on without it. `step`: the last that the job had taken.
        case died(slot: Int, life: Int, death: RankDeath, survivable: Bool, step: Int64)
        case checkpointed(path: String, step: Int64, bytes: Int64)
        case stopAsked
        case killed
        case registered(version: String, digest: String)
        case cancelled(by: String, reason: String?)
        case scaled(ranks: Int, by: String)
        case preempted(by: String)
        /// The scheduler gives a job another number of ranks: it stops at a checkpoint and goes on with these.
        case resized(ranks: Int, why: String)
        /// So many ranks from now on; how it comes to them the scheduler sees.
        case scaleAsked(ranks: Int, by: String)
        /// Another number of ranks while the others train on: a seat for each that comes, none where ranks leave.
        case changing(ranks: Int, seats: [Seat], why: String)
        /// The ranks go on in that number, since a step boundary.
        case rescaled(epoch: Int, ranks: Int, step: Int64)
        /// A rank that is not needed any more was ended.
        case dismissed(slot: Int, life: Int)
        case drained(node: String)

        public var word: String {
            switch self {
            case .applied: "submitted"
            case .timePassed: "time_passed"
            case .failed: "could_not"
            case .placed: "placed"
            case .launched: "launched"
            case .formed: "formed"
            case .met: "met"
            case .joined: "joined"
            case .reseated: "reseated"
            case .left: "left"
            case .died: "died"
            case .checkpointed: "checkpointed"
            case .stopAsked: "stop_asked"
            case .killed: "killed"
            case .registered: "registered"
            case .cancelled: "cancelled"
            case .scaled: "scaled"
            case .preempted: "preempted"
            case .resized: "resized"
            case .scaleAsked: "scale_asked"
            case .changing: "changing"
            case .rescaled: "rescaled"
            case .dismissed: "dismissed"
            case .drained: "drained"
            }
        }
    }

    public enum Effect: MachineEffect {
        /// Starts a Worker for a slot.
        case launch(slot: Int, life: Int)
        /// Ends a rank that the others go on without.
        case dismiss(slot: Int, life: Int)
        /// Asks every rank to end within so many seconds.
        case stop(withinSeconds: Int, checkpoint: Bool)
        /// Ends every rank that did not, and whatever it left.
        case kill
        /// Makes the output a version.
        case register

        public enum Kind: String, CaseIterable, Sendable { case launch, dismiss, stop, kill, register }
        public var kind: Kind {
            switch self {
            case .launch: .launch
            case .dismiss: .dismiss
            case .stop: .stop
            case .kill: .kill
            case .register: .register
            }
        }
        /// Ranks start side by side, and nothing keeps a stop waiting.
        public var isUrgent: Bool { kind != .register }
    }
}

/// How an engine finds again what it started.
public struct EngineHandle: Codable, Hashable, Sendable {
    /// Of the engine.
    public var engine: String
    /// Its own words for it: a process id, a step of a Slurm allocation.
    public var id: String
    /// Tells one process of that id from another.
    public var startTime: UInt64
    public init(engine: String, id: String, startTime: UInt64 = 0) {
        (self.engine, self.id, self.startTime) = (engine, id, startTime)
    }
}
