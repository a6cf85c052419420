import Conducting
import Faults
import Ledger
import Synchronization
import Telemetry

/// How one version of a program decides about ferries.
protocol FerryRules: Sendable {
    /// How long a ferry waits in harbour, in milliseconds.
    static var pause: Int64 { get }
    /// Passengers it does not sail with.
    static var tooMany: Int { get }
}
enum FirstRules: FerryRules {
    static let pause: Int64 = 0
    static let tooMany = 10
}
/// Decides other effects, and stands in the same place.
enum SlowerRules: FerryRules {
    static let pause: Int64 = 1_000
    static let tooMany = 10
}
/// Stands elsewhere after the same events.
enum StricterRules: FerryRules {
    static let pause: Int64 = 0
    static let tooMany = 3
}

/// A machine to try conductors with: a ferry that sails with its passengers, and comes back empty.
struct Ferry<Rules: FerryRules>: Machine {
    struct Plan: Sendable, Codable { var name: String }
    enum Event: MachineEvent {
        case applied, timePassed, sailed, returned, sunk
        case boarded(passengers: Int)
        case failed(trouble: Trouble)
        var word: String {
            switch self {
            case .applied: "applied"
            case .timePassed: "time_passed"
            case .sailed: "sailed"
            case .returned: "returned"
            case .sunk: "sunk"
            case .boarded: "boarded"
            case .failed: "failed"
            }
        }
    }
    enum Effect: MachineEffect {
        case sail(passengers: Int)
        case comeBack, signal
        enum Kind: String, CaseIterable {
            case sail, signal
            case comeBack = "come_back"
        }
        var kind: Kind {
            switch self {
            case .sail: .sail
            case .comeBack: .comeBack
            case .signal: .signal
            }
        }
        var isUrgent: Bool { self == .signal }
    }
    enum Watched: Hashable { case weather }

    static var kind: String { "ferry" }
    let name: String
    let attempt: Int
    var intents: [Conducting.Intent<Effect>] = []
    var state = "in harbour"
    var trips = 0
    private var decided = 0
    private var now = Timestamp(milliseconds: 0)

    init(_ plan: Plan, attempt: Int, after previous: Ferry?) { (name, self.attempt) = (plan.name, attempt) }

    var standing: Standing { Standing(state: state) }
    var due: Timestamp? { nil }
    var isOver: Bool { state == "sunk" }
    var watched: [Watched] { state == "at sea" ? [.weather] : [] }

    mutating func take(_ recorded: [Conducting.Intent<Effect>], insteadOf decided: [Conducting.Intent<Effect>]) {
        intents = intents.filter { intent in !decided.contains { $0.id == intent.id } } + recorded
        self.decided = recorded.map(\.id).max() ?? self.decided - decided.count
    }

    mutating func handle(_ input: Conducting.Input<Event>) -> [Conducting.Intent<Effect>] {
        now = input.at
        if let id = input.answering {
            guard let index = intents.firstIndex(where: { $0.id == id }) else { return [] }
            intents.remove(at: index)
        }
        switch input.event {
        case .applied, .timePassed: return []
        case .boarded(let passengers):
            guard passengers <= Rules.tooMany else {
                state = "overloaded"
                return []
            }
            state = "boarded"
            return order([.sail(passengers: passengers)])
        case .sailed:
            state = "at sea"
            return order([.comeBack])
        case .returned:
            (state, trips) = ("in harbour", trips + 1)
            return []
        case .sunk:
            state = "sunk"
            intents = []
            return order([.signal])
        case .failed: return order([.comeBack])
        }
    }

    private mutating func order(_ effects: [Effect]) -> [Conducting.Intent<Effect>] {
        let intents = effects.map { effect in
            decided += 1
            return Conducting.Intent(id: decided, Conducting.Order(effect, delay: Rules.pause), at: now)
        }
        self.intents += intents
        return intents
    }

    func isStale(_ event: Event, at now: Timestamp) -> Bool { event == .sunk && state != "at sea" }

    func refusal(of event: Event, beginning plan: Plan?) -> Fault? {
        guard plan != nil, !isOver, state != "in harbour" else { return nil }
        return Fault(.conflict, what: "\(name) is \(state).", why: "It sails already.", fix: "Wait for it.")
    }
}

/// The sea: what ferries do there, each effect by its key.
final class Sea: Sendable {
    let done: Mutex<[(key: String, effect: String)]> = Mutex([])
    /// Effects that wait for `calm`.
    private let gates = Mutex<[CheckedContinuation<Void, Never>]>([])
    let isRough: Bool

    init(isRough: Bool = false) { self.isRough = isRough }

    func handlers<Rules>(_ boundaries: Boundaries = .unwatched, knows: Bool = true) -> Handlers<Ferry<Rules>> {
        Handlers(
            perform: { [self] (call) throws(Fault) in
                done.withLock { $0.append((call.key, call.intent.effect.kind.rawValue)) }
                switch call.intent.effect {
                case .sail:
                    if isRough { throw Fault(.unavailable, what: "The sea is rough.", why: "It storms.", fix: "Wait.") }
                    return .sailed
                case .comeBack: return .returned
                case .signal: return .timePassed
                }
            },
            query: { [self] call in
                let isKnown = knows && done.withLock { $0.contains { $0.key == call.key } }
                guard isKnown else { return .absent }
                switch call.intent.effect {
                case .sail: return .done(.sailed)
                case .comeBack: return .done(.returned)
                case .signal: return .done(.timePassed)
                }
            }, watch: { _, _ in }, boundaries: boundaries)
    }
}
