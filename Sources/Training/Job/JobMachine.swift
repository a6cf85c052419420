public import Conducting
public import Faults
public import Telemetry

/// What a training job does next. One attempt is one submission; within it the whole job is started (a **run**) once, and again
/// after a death that its ranks could not go on after. In a run each slot has one **life** after another: its first process, and
/// those that took a dead one's place while the others went on.
public struct JobMachine: Equatable, Sendable {
    public typealias Input = Conducting.Input<Event>
    public typealias Intent = Conducting.Intent<Effect>
    public typealias Order = Conducting.Order<Effect>

    public enum State: String, Codable, Sendable {
        case queued, starting, running, stopping, registering, finished, failed, cancelled
        public var isOver: Bool { [.finished, .failed, .cancelled].contains(self) }
        /// Ranks of it may be there.
        public var isSeated: Bool { [.starting, .running, .stopping].contains(self) }
    }

    public struct Rank: Equatable, Sendable {
        public enum State: String, Sendable { case starting, up, joining, leaving, done, dead }
        public var seat: Seat
        public var life = 0
        public var state = State.starting
        public var handle: EngineHandle?
        /// The others know where its mesh listens.
        public var hasMet = false
        /// Added to a run that trains; it has not taken part yet.
        public var isNew = false
        /// It was asked to leave, and the others go on without it.
        public var isOut = false
        public var isGone: Bool { state == .done || state == .dead }
        /// One of those that the job goes on with.
        public var stays: Bool { !isNew && !leaves }
        /// The others go on without it, from the next step boundary or already.
        public var leaves: Bool { isOut || state == .leaving }
    }

    /// A rank that died, and what became of the job.
    public struct Loss: Equatable, Sendable {
        public var at: Timestamp
        public var run: Int
        public var slot: Int
        public var life: Int
        public var death: RankDeath
        public var wasSurvived: Bool
        /// The ranks had met: they train again when they meet again. Without a mesh, when all of them run.
        public var hadMesh: Bool
        /// The last step that the job had taken.
        public var step: Int64
        /// When its replacement took part, or the job had started again.
        public var mendedAt: Timestamp?
    }

    public struct KnownCheckpoint: Equatable, Sendable {
        public var path: String
        public var step: Int64
        public var bytes: Int64
        public var at: Timestamp
    }

    public static let lossesMax = 200
    /// Seconds that a rank gets for its last checkpoint.
    public static let stopSeconds = 30
    /// Past the time it was given, in milliseconds: SIGTERM and SIGKILL by its Worker take 5 s.
    static let killAfter: Int64 = 10_000

    public let plan: JobPlan
    public let attempt: Int
    public internal(set) var state = State.queued
    public internal(set) var intents: [Intent] = []
    public internal(set) var ranks: [Rank] = []
    /// Whole-job starts until now.
    public internal(set) var run = 0
    /// Of the membership; 0 until all ranks of the run have met.
    public internal(set) var epoch = 0
    public internal(set) var master = ""
    public internal(set) var port = 0
    public internal(set) var failures = 0
    public internal(set) var losses: [Loss] = []
    public internal(set) var checkpoint: KnownCheckpoint?
    public internal(set) var checkpoints = 0
    public internal(set) var stopping: StopReason?
    /// Set where a person scaled it.
    public internal(set) var ranksAsked: Int?
    /// How many ranks the scheduler stopped it for: as many at most when it starts again.
    public internal(set) var resizeTo: Int?
    /// How often that was, and why the last time.
    public internal(set) var resizes = 0
    public internal(set) var resizedBecause = ""
    /// Numbers of ranks that it was given while it ran, the latest last.
    public internal(set) var changes: [RankChange] = []
    /// When a change that does not come about is given up.
    var changeDue: Timestamp?
    /// The next life of slots that were given back in this run.
    var lives: [Int: Int] = [:]
    /// Since when the ranks hold their places in this number.
    public internal(set) var settledAt: Timestamp?
    public internal(set) var submittedAt: Timestamp?
    public internal(set) var firstPlacedAt: Timestamp?
    public internal(set) var placedAt: Timestamp?
    public internal(set) var endedAt: Timestamp?
    public internal(set) var placedBecause = ""
    /// Device-milliseconds (rank-milliseconds without devices) of runs that have ended.
    public internal(set) var served: Int64 = 0
    /// Milliseconds of runs that have ended.
    public internal(set) var ran: Int64 = 0
    public internal(set) var preemptions = 0
    public internal(set) var version: String?
    public internal(set) var trouble: Trouble?
    public internal(set) var endedBecause: String?
    /// When ranks that do not end are killed.
    var killAt: Timestamp?
    /// The first death of this run, and what it was taken for until now.
    var cause: Int?
    var nextIntent = 1

    /// Why it failed, where it did.
    public var firstCause: Loss? { cause.flatMap { losses.indices.contains($0) ? losses[$0] : nil } }
    public var isOver: Bool { state.isOver }
    public var spec: JobSpec { plan.spec }
    /// Slots that hold places: those that come and those that leave are among them.
    public var world: Int { ranks.count }
    public var ranksWanted: ClosedRange<Int> {
        if let ranksAsked { return ranksAsked...ranksAsked }
        return spec.ranksMin...max(spec.ranksMin, resizeTo ?? spec.ranksMax)
    }
    /// More or fewer ranks would do as well.
    var isElastic: Bool { ranksAsked == nil && spec.ranksMin < spec.ranksMax }
}

extension JobMachine: Machine {
    public static var kind: String { "train" }

    public init(_ plan: JobPlan, attempt: Int, after previous: JobMachine?) { (self.plan, self.attempt) = (plan, attempt) }

    public var name: String { plan.spec.name }
    public var standing: Standing { Standing(state: state.rawValue, stage: run > 0 ? "run \(run)" : nil) }
    public var due: Timestamp? {
        if state == .running { return changeDue }
        return state == .stopping && !ranks.allSatisfy(\.isGone) ? killAt : nil
    }

    /// What is watched of the world: the process beside each rank, and whether steps are taken.
    public enum Watched: Hashable, Sendable {
        case worker(run: Int, slot: Int, life: Int, handle: EngineHandle)
        case progress(run: Int)
    }

    public var watched: [Watched] {
        guard state.isSeated else { return [] }
        var watched = ranks.enumerated().compactMap { slot, rank -> Watched? in
            guard let handle = rank.handle, !rank.isGone else { return nil }
            return .worker(run: run, slot: slot, life: rank.life, handle: handle)
        }
        if state == .running { watched.append(.progress(run: run)) }
        return watched
    }

    public mutating func take(_ recorded: [Intent], insteadOf decided: [Intent]) {
        intents.removeAll { intent in decided.contains { $0.id == intent.id } }
        intents += recorded
        nextIntent = max(nextIntent, (recorded.map(\.id).max() ?? 0) + 1)
    }

    public func isStale(_ event: Event, at now: Timestamp) -> Bool {
        func isPast(_ slot: Int, _ life: Int) -> Bool {
            guard state.isSeated, ranks.indices.contains(slot) else { return true }
            return ranks[slot].life != life || ranks[slot].isGone
        }
        switch event {
        case .left(let slot, let life), .died(let slot, let life, _, _, _), .met(let slot, let life),
            .joined(let slot, let life, _), .reseated(let slot, let life, _):
            return isPast(slot, life)
        case .dismissed(let slot, let life):
            return !state.isSeated || !ranks.indices.contains(slot) || ranks[slot].life != life
        case .rescaled(let epoch, _, _): return state != .running || epoch != self.epoch || !awaitsRescaling
        case .formed: return epoch > 0 || !(state == .running || state == .starting)
        case .checkpointed(_, let step, _): return isOver || (checkpoint.map { $0.step >= step } ?? false)
        case .applied, .timePassed, .failed, .placed, .launched, .stopAsked, .killed, .registered, .cancelled, .scaled, .preempted,
            .resized, .scaleAsked, .changing, .drained:
            return false
        }
    }

    public func refusal(of event: Event, beginning plan: JobPlan?) -> Fault? {
        if plan != nil, !isOver {
            return Fault(
                .conflict, what: "\(name) is \(state.rawValue) already, from another content.",
                why: "Two jobs of one name would write the same checkpoints.",
                fix: "Cancel it first (openclaw train cancel \(name)), or give the new one another name.")
        }
        switch event {
        case .placed where state != .queued:
            return Fault(.conflict, what: "\(name) was not placed.", why: "It is \(state.rawValue).", fix: "Look again.")
        case .cancelled, .scaled, .scaleAsked:
            guard isOver || state == .registering else { return nil }
            return Fault(
                .conflict, what: "\(name) cannot be changed any more.", why: "It is \(state.rawValue).",
                fix: "Submit it again: openclaw train submit.")
        case .resized(let ranks, _) where state != .running || isChanging || !(isElastic || ranksAsked == ranks):
            return Fault(
                .conflict, what: "\(name) was not given other ranks.", why: "It is \(state.rawValue).", fix: "Look again.")
        case .changing(let ranks, let seats, _) where !canChange(to: ranks, seats: seats.count):
            return Fault(
                .conflict, what: "\(name) was not given other ranks.", why: "Its ranks are not all there, or change already.",
                fix: "Look again.")
        case .preempted, .drained:
            guard state != .running && state != .starting else { return nil }
            return Fault(.conflict, what: "\(name) was not stopped.", why: "It is \(state.rawValue).", fix: "Look again.")
        default: return nil
        }
    }
}
