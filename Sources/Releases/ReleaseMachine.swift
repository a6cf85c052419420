public import Conducting
public import Telemetry

/// One attempt at one release: events in, effects out. No clock, no I/O, no randomness; replaying the same inputs gives the
/// same machine, which is how a restart goes on.
public struct ReleaseMachine: Sendable, Equatable {
    public typealias Input = Conducting.Input<Event>
    public typealias Intent = Conducting.Intent<Effect>
    public typealias Order = Conducting.Order<Effect>

    public enum State: Sendable, Equatable, Codable {
        case planned
        /// Asks for the route; `queued` while another owner has it.
        case claiming
        case queued(behind: String)
        case building
        case starting
        case smoking
        case canary(step: Int)
        /// At the last share: goes on as soon as every gate passes.
        case deciding
        case promoting
        /// Promoted, and still watched.
        case baking
        case promoted
        case rollingBack
        case rolledBack
        /// Ended before any traffic moved, or on a way back that a person gave up.
        case failed
        /// Every named stage is done, and none of them promotes: what becomes of it is a person's decision.
        case finished
    }

    /// What keeps a release from going on by itself. Gates watch all the same, and a failure still rolls back.
    public enum Hold: Sendable, Equatable, Codable {
        case paused(by: String, since: Timestamp)
        /// Undecided at its deadline, or nothing left to decide by: a person is asked.
        case asked(question: String)
    }

    public let plan: ReleasePlan
    /// From 1: the same version can be released again.
    public let attempt: Int
    public internal(set) var state = State.planned
    public internal(set) var hold: Hold?
    /// Decided and recorded, not answered yet; in the order of decisions.
    public internal(set) var intents: [Intent] = []
    public internal(set) var baseline: Baseline?
    public internal(set) var deployment: Deployment?
    public internal(set) var watch: Watch?
    public internal(set) var look: Look?
    /// The last look before promotion: the bake begins with fresh evidence.
    public internal(set) var canaryLook: Look?
    /// When the candidate was first asked something by a user.
    public internal(set) var firstRequest: Timestamp?
    public internal(set) var built: BuildReport?
    public internal(set) var smoked: SmokeReport?
    /// The last share that every gateway loop served, in basis points; nil before any traffic moved.
    public internal(set) var share: Int?
    /// The table that began the present step.
    public internal(set) var table: Int64 = 0
    public internal(set) var ending: Ending?
    /// The last thing that went wrong and was not the end.
    public internal(set) var trouble: Trouble?
    public internal(set) var appliedAt: Timestamp?
    public internal(set) var endedAt: Timestamp?

    /// Where a paused release goes on.
    var parked: State?
    var marks = Marks()
    var now = Timestamp(milliseconds: 0)

    /// What is remembered between events besides the state.
    struct Marks: Sendable, Equatable {
        var intentsDecided = 0
        var holdsRoute = false
        var touchedTraffic = false
        var crowned = false
        /// The previous version's server may have been stopped.
        var previousMayBeDown = false
        /// When the present share began to be served everywhere, and when the first one did.
        var stepSince: Timestamp?
        var watchSince: Timestamp?
        var bakeSince: Timestamp?
        var extensions = 0
        /// Whether a server of ours is to be kept up, and how often it had to be restarted lately.
        var keepsServing = false
        var restarts = 0
        var lastRestart: Timestamp?
    }

    /// `inheriting`: the server an earlier attempt at the same version left running.
    public init(_ plan: ReleasePlan, attempt: Int, inheriting: Deployment? = nil) {
        (self.plan, self.attempt, self.deployment) = (plan, attempt, inheriting)
    }

    public mutating func take(_ recorded: [Intent], insteadOf decided: [Intent]) {
        intents = intents.filter { intent in !decided.contains { $0.id == intent.id } } + recorded
        marks.intentsDecided = max(marks.intentsDecided - decided.count, recorded.map(\.id).max() ?? 0)
    }

    /// The one way a release changes. An answer to something that is no longer asked changes nothing.
    public mutating func handle(_ input: Input) -> [Intent] {
        now = input.at
        var answered: Intent?
        if let id = input.answering {
            guard let index = intents.firstIndex(where: { $0.id == id }) else { return [] }
            answered = intents.remove(at: index)
        }
        if ending == nil, let answered, answered.tries > 1 { trouble = nil }  // it passed, unless this answer says otherwise
        let orders =
            switch (input.event, answered) {
            case (.failed(let trouble), let intent?): retryOrGiveUp(intent, trouble)
            case (.interrupted, let intent?): [Order(intent.effect, tries: intent.tries + 1)]
            case (let event, _): next(event)
            }
        let decided = orders.map { order in
            marks.intentsDecided += 1
            return Intent(id: marks.intentsDecided, order, at: now)
        }
        intents += decided
        return decided
    }
}
