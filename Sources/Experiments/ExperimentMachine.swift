public import Conducting
public import JSON
public import Telemetry

/// One attempt at one experiment: events in, effects out. No clock, no I/O, no randomness; replaying the same inputs gives the
/// same machine, which is how a restart goes on.
public struct ExperimentMachine: Sendable, Equatable {
    public typealias Input = Conducting.Input<Event>
    public typealias Intent = Conducting.Intent<Effect>
    public typealias Order = Conducting.Order<Effect>

    public enum State: Sendable, Equatable, Codable {
        case planned
        case attaching
        case running
        /// What it found has consequences that a person is asked about; it goes on meanwhile.
        case asking(question: String)
        /// Ends without a winner.
        case detaching
        /// The winner takes over.
        case settling
        /// The winner is to be released: off the route first, so that the release may have it.
        case makingWay(version: String)
        case releasing(version: String)
        case ended
    }

    /// With the file as it was last applied.
    public internal(set) var plan: ExperimentPlan
    /// From 1: the same experiment can run again.
    public let attempt: Int
    public internal(set) var state = State.planned
    /// Decided and recorded, not answered yet; in the order of decisions.
    public internal(set) var intents: [Intent] = []
    public internal(set) var layer: ExperimentLayer?
    /// Every variant it has had; `shares` and everything that is counted go by their numbers.
    public internal(set) var arms: ExperimentArms
    /// What every gateway loop serves, in basis points, in the order of the variants.
    public internal(set) var shares: [Int]
    /// What a contextual allocation was to choose by last.
    public internal(set) var scorer: JSONValue?
    /// Of the table that carries these shares.
    public internal(set) var table: Int64 = 0
    public internal(set) var look: ExperimentLook?
    /// The last evidence that was written down.
    public internal(set) var mark: ExperimentLook.Mark?
    public internal(set) var ending: ExperimentEnding?
    /// The variant of the route that the winner became.
    public internal(set) var base: String?
    public internal(set) var release: ReleaseOutcome?
    /// The last thing that went wrong and was not the end.
    public internal(set) var trouble: Trouble?
    public internal(set) var rampStep = 0
    public internal(set) var appliedAt: Timestamp?
    /// When every loop served its first table.
    public internal(set) var startedAt: Timestamp?
    public internal(set) var endedAt: Timestamp?
    /// How shares and the difference moved, thinned out as it grows.
    public internal(set) var course = ExperimentCourse()

    /// Shares that are waited with until every variant that joins is there.
    var target: [Int]?
    var rampSince: Timestamp?
    var intentsDecided = 0
    var now = Timestamp(milliseconds: 0)

    public init(_ plan: ExperimentPlan, attempt: Int) {
        (self.plan, self.attempt) = (plan, attempt)
        arms = ExperimentArms(plan.spec.variants)
        shares = plan.spec.variants.map(\.basisPoints)
    }

    public var isOver: Bool { state == .ended }

    /// Exposures and outcomes are looked at.
    public var isWatched: Bool {
        switch state {
        case .running, .asking: true
        case .planned, .attaching, .detaching, .settling, .makingWay, .releasing, .ended: false
        }
    }

    /// New shares are asked for: the last ones are served, and nobody ends it.
    public var takesShares: Bool { isWatched && target == nil && !intents.contains { [.move, .put].contains($0.effect.kind) } }

    /// When time alone has consequences.
    public var due: Timestamp? {
        guard isWatched, let startedAt else { return nil }
        let end = state == .running ? startedAt + .milliseconds(plan.spec.decision.maxDuration) : nil
        return [end, nextStep, firstDecision].compactMap { $0 }.min()
    }

    /// When a verdict that came too early may have consequences.
    var firstDecision: Timestamp? {
        guard let startedAt, let look, look.outcome != .undecided, plan.spec.decision.auto != .none else { return nil }
        let earliest = startedAt + .milliseconds(plan.spec.decision.minDuration)
        return earliest > now ? earliest : nil
    }

    /// When the ramp goes on.
    var nextStep: Timestamp? {
        guard let rampSince, let hold = plan.spec.targeting.ramp[rampStep].hold,
            !intents.contains(where: { $0.effect.kind == .cover })
        else { return nil }
        return rampSince + .milliseconds(hold)
    }

    public mutating func take(_ recorded: [Intent], insteadOf decided: [Intent]) {
        intents = intents.filter { intent in !decided.contains { $0.id == intent.id } } + recorded
        intentsDecided = max(intentsDecided - decided.count, recorded.map(\.id).max() ?? 0)
    }

    /// The one way an experiment changes. An answer to something that is no longer asked changes nothing.
    public mutating func handle(_ input: Input) -> [Intent] {
        now = input.at
        var answered: Intent?
        if let id = input.answering {
            guard let index = intents.firstIndex(where: { $0.id == id }) else { return [] }
            answered = intents.remove(at: index)
        }
        let orders =
            if case .failed(let trouble) = input.event, let answered {
                retryOrGiveUp(answered, trouble)
            } else {
                next(input.event)
            }
        let decided = orders.map { order in
            intentsDecided += 1
            return Intent(id: intentsDecided, order, at: now)
        }
        intents += decided
        return decided
    }
}

/// How an experiment went, for a curve: at most `pointsMax` points of each kind, every second of them dropped when there would
/// be more, so that they stay spread over the whole time.
public struct ExperimentCourse: Sendable, Equatable, Codable {
    public static let pointsMax = 120

    public struct Shares: Sendable, Equatable, Codable {
        public var at: Timestamp
        public var shares: [Int]
    }
    public struct Difference: Sendable, Equatable, Codable {
        public var at: Timestamp
        public var units: Int64
        public var difference: Double
        public var lower: Double
        public var upper: Double
    }
    public private(set) var shares: [Shares] = []
    public private(set) var differences: [Difference] = []

    public init() {}

    mutating func note(_ shares: [Int], at: Timestamp) {
        ExperimentCourse.append(Shares(at: at, shares: shares), to: &self.shares)
    }

    mutating func note(_ look: ExperimentLook, at: Timestamp) {
        guard let difference = look.difference, let lower = look.lower, let upper = look.upper else { return }
        let point = Difference(at: at, units: look.units, difference: difference, lower: lower, upper: upper)
        ExperimentCourse.append(point, to: &differences)
    }

    private static func append<Point>(_ point: Point, to points: inout [Point]) {
        if points.count == pointsMax { points = points.enumerated().filter { $0.offset % 2 == 0 }.map(\.element) }
        points.append(point)
    }
}
