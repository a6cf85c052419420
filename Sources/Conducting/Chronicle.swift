public import Faults
import JSON
public import Ledger

/// One resource as its ledger entries tell it: fold them in order, and this is where it stands.
public struct Chronicle<M: Machine>: Sendable {
    public private(set) var machine: M?
    /// The resource's last entry.
    public private(set) var head = Position.none
    /// The entry that decided each open intent.
    public private(set) var fences: [Int: Position] = [:]
    /// Where the present attempt begins.
    public private(set) var appliedAt = Position.none

    public init() {}

    /// What one entry says.
    public struct Record: Sendable, Codable {
        public var attempt: Int
        public var input: M.Input
        /// The plan of the attempt that begins here.
        public var plan: M.Plan?
        public var intents: [Recorded]
        /// For readers of the ledger: how things stand afterwards.
        public var state: String
        public var stage: String?

        public struct Recorded: Sendable, Codable {
            public var key: String
            public var intent: M.Intent
        }
    }

    /// A step that is decided and not yet recorded.
    struct Decision {
        let machine: M
        let intents: [M.Intent]
        let record: Record
        let kind: String
    }

    /// What an input leads to. `plan`: the input begins a new attempt. Nil before the first attempt.
    func decide(_ input: M.Input, plan: M.Plan? = nil) -> Decision? {
        let begun = plan.map { M($0, attempt: (machine?.attempt ?? 0) + 1, after: machine) }
        guard var next = begun ?? machine else { return nil }
        let intents = next.handle(input)
        let standing = next.standing
        let record = Record(
            attempt: next.attempt, input: input, plan: plan,
            intents: intents.map { .init(key: EffectCall<M>.key(name: next.name, attempt: next.attempt, $0), intent: $0) },
            state: standing.state, stage: standing.stage)
        return Decision(machine: next, intents: intents, record: record, kind: "\(M.kind).\(input.event.word)")
    }

    mutating func accept(_ decision: Decision, at position: Position) {
        if decision.record.plan != nil { (fences, appliedAt) = ([:], position) }
        (machine, head) = (decision.machine, position)
        for intent in decision.intents { fences[intent.id] = position }
        let open = Set(decision.machine.intents.map(\.id))
        fences = fences.filter { open.contains($0.key) }
    }

    /// Takes up one entry. What the machine decides again is what was recorded.
    public mutating func fold(_ entry: LedgerEntry) throws(Fault) {
        let record: Record = try entry.body.decoded()
        guard let decision = decide(record.input, plan: record.plan) else {
            throw Fault(
                what: "\(entry.resource) cannot be read from the ledger.",
                why: "Entry \(entry.position.index) does not begin with its plan.", fix: "Check the ledger: openclaw audit verify")
        }
        accept(decision, at: entry.position)
    }
}
