public import Faults
public import Telemetry

/// What a capability decides by, for one resource (a release, an experiment, a job) and one attempt at it: pure, without clock,
/// I/O or randomness. The same inputs give the same machine, which is how a restart goes on. A `Conductor` feeds it, records
/// what it decides, and has it done.
public protocol Machine: Sendable, Equatable {
    /// What an attempt is made from; recorded with the entry that begins it.
    associatedtype Plan: Sendable, Codable
    associatedtype Event: MachineEvent
    associatedtype Effect: MachineEffect
    /// Something of the world that is watched for as long as the machine names it: outcomes, a process, a heartbeat.
    associatedtype Watched: Hashable, Sendable

    /// Of the resource in the ledger: `release`. Its entries are `release.<event>`, its kill points `release.<effect>.before`
    /// and `.after`.
    static var kind: String { get }

    /// `previous`: the attempt before this one, of which something may be taken over.
    init(_ plan: Plan, attempt: Int, after previous: Self?)

    /// The resource's name.
    var name: String { get }
    /// From 1.
    var attempt: Int { get }
    /// Decided and recorded, not answered yet; in the order of decisions.
    var intents: [Conducting.Intent<Effect>] { get }
    /// Where it stands, in the words that its entries carry for their readers.
    var standing: Standing { get }
    /// When time alone has consequences: a `timePassed` comes then. Nil when only news can.
    var due: Timestamp? { get }
    /// Nothing of this attempt is to come but giving back what it used.
    var isOver: Bool { get }
    /// What is to be watched now.
    var watched: [Watched] { get }

    /// The one way a machine changes. Returns what it wants done, each with a number of its own within the attempt. An answer
    /// to something that is no longer asked changes nothing.
    mutating func handle(_ input: Conducting.Input<Event>) -> [Conducting.Intent<Effect>]

    /// What was recorded takes the place of what this version decides: the open intents are those.
    mutating func take(_ recorded: [Conducting.Intent<Effect>], insteadOf decided: [Conducting.Intent<Effect>])

    /// Whether an event that answers no effect can have no consequences any more: it is not recorded.
    func isStale(_ event: Event, at now: Timestamp) -> Bool
    /// Why a person's event, or a new attempt (`plan`), is refused now; nil when it is heard.
    func refusal(of event: Event, beginning plan: Plan?) -> Fault?
}

extension Machine {
    public typealias Input = Conducting.Input<Event>
    public typealias Intent = Conducting.Intent<Effect>
    public typealias Order = Conducting.Order<Effect>
}

/// All that a machine can learn. Each event is recorded before it has consequences; clock, measurements and the answers of the
/// world enter only so.
public protocol MachineEvent: Sendable, Equatable, Codable {
    /// An attempt begins.
    static var applied: Self { get }
    static var timePassed: Self { get }
    /// The answer to an effect that could not be performed.
    static func failed(trouble: Trouble) -> Self
    /// Its name in the ledger: the entry's kind is `<machine's kind>.<word>`.
    var word: String { get }
}

/// All that a machine can do to the world. Each effect ends in exactly one event that answers it.
public protocol MachineEffect: Sendable, Equatable, Codable {
    /// The closed list of effects, without what they carry: kill points and logs are named by it.
    associatedtype Kind: RawRepresentable<String>, CaseIterable, Hashable, Sendable
    var kind: Kind { get }
    /// Performed at once, whatever else is under way; everything else takes its turn, in the order it was decided.
    var isUrgent: Bool { get }
}

extension MachineEffect {
    public var isUrgent: Bool { false }
}

/// An event with its moment, and the intent it answers.
public struct Input<Event: MachineEvent>: Sendable, Equatable, Codable {
    public var event: Event
    public var at: Timestamp
    public var answering: Int?
    public init(_ event: Event, at: Timestamp, answering: Int? = nil) {
        (self.event, self.at, self.answering) = (event, at, answering)
    }
}

/// An effect about to become an intent.
public struct Order<Effect: MachineEffect>: Sendable, Equatable {
    public var effect: Effect
    public var tries: Int
    /// Milliseconds from now.
    public var delay: Int64
    public init(_ effect: Effect, tries: Int = 1, delay: Int64 = 0) {
        (self.effect, self.tries, self.delay) = (effect, tries, delay)
    }
}

/// An effect that was decided and recorded, and is not answered yet.
public struct Intent<Effect: MachineEffect>: Sendable, Equatable, Codable {
    /// Unique within the attempt, in the order of decisions.
    public var id: Int
    public var effect: Effect
    /// Which attempt at the effect: it rises when one failed or was interrupted.
    public var tries: Int
    /// Not to be performed before this moment.
    public var due: Timestamp
    public init(id: Int, effect: Effect, tries: Int, due: Timestamp) {
        (self.id, self.effect, self.tries, self.due) = (id, effect, tries, due)
    }
    /// An order that is decided now.
    public init(id: Int, _ order: Order<Effect>, at now: Timestamp) {
        self.init(id: id, effect: order.effect, tries: order.tries, due: now + .milliseconds(order.delay))
    }
}

/// Where a resource stands, in words.
public struct Standing: Sendable, Equatable {
    public var state: String
    /// Where within the state, for resources that have such a thing.
    public var stage: String?
    public init(state: String, stage: String? = nil) { (self.state, self.stage) = (state, stage) }
}
