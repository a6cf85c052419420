import Faults
import JSON
import Ledger

/// One experiment as its ledger entries tell it: fold them in order, and this is where it stands.
struct ExperimentReplay: Sendable {
    static let kind = "experiment"

    private(set) var machine: ExperimentMachine?
    private(set) var head = Position.none
    /// The entry that decided each open intent.
    private(set) var fences: [Int: Position] = [:]
    /// Where the present attempt begins.
    private(set) var appliedAt = Position.none

    /// What one entry says.
    struct Record: Sendable, Codable {
        var attempt: Int
        var input: ExperimentMachine.Input
        /// The plan of the attempt that begins here.
        var plan: ExperimentPlan?
        var intents: [Recorded]
        /// For readers of the ledger: how things stand afterwards.
        var state: String

        struct Recorded: Sendable, Codable {
            var key: String
            var intent: ExperimentMachine.Intent
        }
    }

    /// A step that is decided and not yet recorded.
    struct Decision {
        let machine: ExperimentMachine
        let intents: [ExperimentMachine.Intent]
        let record: Record
        let kind: String
    }

    /// What an input leads to. `plan`: the input begins a new attempt.
    func decide(_ input: ExperimentMachine.Input, plan: ExperimentPlan? = nil) -> Decision? {
        let begun = plan.map { ExperimentMachine($0, attempt: (machine?.attempt ?? 0) + 1) }
        guard var next = begun ?? machine else { return nil }
        let intents = next.handle(input)
        let record = Record(
            attempt: next.attempt, input: input, plan: plan,
            intents: intents.map {
                .init(key: ExperimentCall.key(experiment: next.plan.spec.name, attempt: next.attempt, $0), intent: $0)
            }, state: next.stateText)
        return Decision(machine: next, intents: intents, record: record, kind: "experiment.\(input.event.word)")
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
                what: "Experiment \(entry.resource.name) cannot be read from the ledger.",
                why: "Entry \(entry.position.index) does not begin with its plan.", fix: "Check the ledger: openclaw audit verify")
        }
        accept(decision, at: entry.position)
    }
}

extension ExperimentMachine.Event {
    /// The event's name in the ledger.
    var word: String {
        switch self {
        case .applied: "applied"
        case .commanded(let command, _, _): "commanded_\(command.word)"
        case .attached: "attached"
        case .moved: "moved"
        case .covered: "covered"
        case .detached: "detached"
        case .settled: "settled"
        case .gated: "gated"
        case .released: "released"
        case .failed: "failed"
        case .looked: "looked"
        case .reweighted: "reweighted"
        case .timePassed: "time_passed"
        }
    }
}
