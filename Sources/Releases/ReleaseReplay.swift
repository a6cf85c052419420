import Faults
import JSON
import Ledger

/// One release as its ledger entries tell it: fold them in order, and this is where it stands.
struct ReleaseReplay: Sendable {
    static let kind = "release"

    private(set) var machine: ReleaseMachine?
    private(set) var head = Position.none
    /// The entry that decided each open intent.
    private(set) var fences: [Int: Position] = [:]
    /// Where the present attempt begins.
    private(set) var appliedAt = Position.none

    /// What one entry says.
    struct Record: Sendable, Codable {
        var attempt: Int
        var input: ReleaseMachine.Input
        /// The plan of the attempt that begins here.
        var plan: ReleasePlan?
        var intents: [Recorded]
        /// For readers of the ledger: how things stand afterwards.
        var state: String
        var stage: String

        struct Recorded: Sendable, Codable {
            var key: String
            var intent: ReleaseMachine.Intent
        }
    }

    /// A step that is decided and not yet recorded.
    struct Decision {
        let machine: ReleaseMachine
        let intents: [ReleaseMachine.Intent]
        let record: Record
        let kind: String
    }

    /// What an input leads to. `plan`: the input begins a new attempt.
    func decide(_ input: ReleaseMachine.Input, plan: ReleasePlan? = nil) -> Decision? {
        guard var next = plan.map(attempt(at:)) ?? machine else { return nil }
        let intents = next.handle(input)
        let record = Record(
            attempt: next.attempt, input: input, plan: plan,
            intents: intents.map { .init(key: EffectCall.key(release: next.plan.name, attempt: next.attempt, $0), intent: $0) },
            state: next.stateText, stage: next.stageText)
        return Decision(machine: next, intents: intents, record: record, kind: "release.\(input.event.word)")
    }

    private func attempt(at plan: ReleasePlan) -> ReleaseMachine {
        ReleaseMachine(plan, attempt: (machine?.attempt ?? 0) + 1, inheriting: machine?.deployment)
    }

    mutating func accept(_ decision: Decision, at position: Position) {
        if decision.record.plan != nil { (fences, appliedAt) = ([:], position) }
        (machine, head) = (decision.machine, position)
        for intent in decision.intents { fences[intent.id] = position }
        let open = Set(decision.machine.intents.map(\.id))
        fences = fences.filter { open.contains($0.key) }
    }

    /// Takes up one entry. What the machine decides again is what was recorded.
    mutating func fold(_ entry: LedgerEntry) throws(Fault) {
        let record: Record = try entry.body.decoded()
        guard let decision = decide(record.input, plan: record.plan) else {
            throw Fault(
                what: "Release \(entry.resource.name) cannot be read from the ledger.",
                why: "Entry \(entry.position.index) does not begin with its plan.", fix: "Check the ledger: openclaw audit verify")
        }
        accept(decision, at: entry.position)
    }
}

extension ReleaseMachine.Event {
    /// The event's name in the ledger.
    var word: String {
        switch self {
        case .applied: "applied"
        case .commanded(let command, _, _): "commanded_\(command.rawValue)"
        case .replaced: "replaced"
        case .routeFree: "route_free"
        case .retired: "retired"
        case .revived: "revived"
        case .claimed: "claimed"
        case .busy: "busy"
        case .built: "built"
        case .serving: "serving"
        case .smoked: "smoked"
        case .watching: "watching"
        case .routed: "routed"
        case .crowned: "crowned"
        case .uncrowned: "uncrowned"
        case .left: "left"
        case .stopped: "stopped"
        case .previousRetired: "previous_retired"
        case .previousUp: "previous_up"
        case .failed: "failed"
        case .interrupted: "interrupted"
        case .judged: "judged"
        case .metricSilent: "metric_silent"
        case .serverDied: "server_died"
        case .timePassed: "time_passed"
        }
    }
}
