public import Faults
public import JSON
public import Ledger
import Telemetry

/// One resource as its ledger entries tell it: fold them in order, and this is where it stands.
///
/// The machine decides each recorded input again, and what it decides is compared with what was recorded. A version of the
/// program that would have decided otherwise changes nothing that was decided: recorded intents take the place of its own, and
/// the difference is told (`differences`). Where the resource does not even stand where its last entry says, this version must
/// not touch it before a person has said so (`hindrance`).
public struct Chronicle<M: Machine>: Sendable {
    public private(set) var machine: M?
    /// The resource's last entry.
    public private(set) var head = Position.none
    /// The entry that decided each open intent.
    public private(set) var fences: [Int: Position] = [:]
    /// Where the present attempt begins.
    public private(set) var appliedAt = Position.none
    /// Decisions of the present attempt that this version would have taken otherwise.
    public private(set) var differences = Differences()
    /// Why an entry cannot be read.
    private var unreadable: Fault?
    /// The last entry says that the resource stands elsewhere.
    private var stray: Difference?

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

        var standing: Standing { Standing(state: state, stage: stage) }
    }

    /// A step that is decided and not yet recorded.
    struct Decision {
        var machine: M
        var intents: [M.Intent]
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
        if decision.record.plan != nil { (fences, appliedAt, differences, stray) = ([:], position, Differences(), nil) }
        (machine, head) = (decision.machine, position)
        for intent in decision.intents { fences[intent.id] = position }
        let open = Set(decision.machine.intents.map(\.id))
        fences = fences.filter { open.contains($0.key) }
    }

    // MARK: Replay

    /// Takes up one entry.
    public mutating func fold(_ entry: LedgerEntry) {
        guard unreadable == nil else { return }
        do throws(Fault) {
            if entry.kind == Self.acceptance { try resume(entry) } else { try take(entry) }
        } catch {
            unreadable = Fault(
                .conflict, what: "\(entry.resource) is not conducted: entry \(entry.position.index) cannot be read.",
                why: "\(error.what) \(error.why)",
                fix: "Run the version that wrote it; whether it was altered says: openclaw audit verify")
        }
    }

    private mutating func take(_ entry: LedgerEntry) throws(Fault) {
        let record: Record = try entry.body.decoded()
        guard var decision = decide(record.input, plan: record.plan) else {
            throw Fault(
                what: "The resource has no plan yet.", why: "Its first entry does not begin an attempt.",
                fix: "Check the ledger: openclaw audit verify")
        }
        let recorded = record.intents.map(\.intent)
        let isSame = recorded == decision.intents && record.standing == decision.record.standing
        let difference = isSame ? nil : Difference(entry.position, recorded: record, decided: decision.record)
        if recorded != decision.intents {
            decision.machine.take(recorded, insteadOf: decision.intents)
            decision.intents = recorded
        }
        accept(decision, at: entry.position)
        stray = record.standing == decision.record.standing ? nil : difference
        if let difference { differences.note(difference) }
    }

    // MARK: Where this version stands elsewhere

    /// Why this version does not conduct the resource; nil when it does.
    public var hindrance: Fault? {
        if let unreadable { return unreadable }
        guard let stray, let machine, !(machine.isOver && machine.intents.isEmpty) else { return nil }
        return Fault(
            .conflict, what: "\(M.kind)/\(machine.name) is not conducted: this version reads its ledger differently.",
            why: "Entry \(stray.entry.index) recorded \(stray.recorded); this version decides \(stray.decided).",
            fix:
                "Run the version that recorded it, or have this one go on from where it sees it: openclaw \(M.kind) resume \(machine.name)"
        )
    }

    /// A status, with what a person must know about how this version reads the resource: `differences`, and the hindrance as its
    /// `trouble`.
    public func telling(_ status: JSONValue) -> JSONValue {
        guard case .object(var members) = status else { return status }
        members["differences"] = differences.json
        members["conducted"] = .bool(hindrance == nil)
        if let hindrance { members["trouble"] = Trouble(hindrance).json }
        return .object(members)
    }

    static var acceptance: String { "\(M.kind).resumed_by_this_version" }

    /// What is recorded when a person has this version go on from where it sees the resource.
    struct Acceptance: Sendable, Codable {
        var attempt: Int
        var intents: [M.Intent]
        var state: String
        var stage: String?
        /// What was recorded, and what this version decides instead.
        var recorded: String
        var decided: String
    }

    var toAccept: Acceptance? {
        guard let stray, let machine else { return nil }
        let standing = machine.standing
        return Acceptance(
            attempt: machine.attempt, intents: machine.intents, state: standing.state, stage: standing.stage,
            recorded: stray.recorded, decided: stray.decided)
    }

    mutating func accepted(at position: Position) { (head, stray) = (position, nil) }

    /// A person decided from where to go on: whoever reads it otherwise again must ask again.
    private mutating func resume(_ entry: LedgerEntry) throws(Fault) {
        let acceptance: Acceptance = try entry.body.decoded()
        accepted(at: entry.position)
        guard let machine else { return }
        let (then, now) = (Standing(state: acceptance.state, stage: acceptance.stage), machine.standing)
        guard then != now || acceptance.intents != machine.intents else { return }
        stray = Difference(
            entry: entry.position, recorded: Difference.text(then, acceptance.intents),
            decided: Difference.text(now, machine.intents))
    }
}

/// A decision that stands in the ledger, and what this version would have decided.
public struct Difference: Sendable, Equatable {
    public let entry: Position
    public let recorded: String
    public let decided: String

    init(entry: Position, recorded: String, decided: String) {
        (self.entry, self.recorded, self.decided) = (entry, recorded, decided)
    }

    init<M>(_ entry: Position, recorded: Chronicle<M>.Record, decided: Chronicle<M>.Record) {
        self.init(
            entry: entry, recorded: Self.text(recorded.standing, recorded.intents.map(\.intent)),
            decided: Self.text(decided.standing, decided.intents.map(\.intent)))
    }

    /// `running, canary_deploy: {"route":{"share":2500}} (3, try 1, at 2026-11-21T09:00:00.000Z)`
    static func text<Effect>(_ standing: Standing, _ intents: [Intent<Effect>]) -> String {
        let place = [standing.state, standing.stage].compactMap(\.self).joined(separator: ", ")
        let wanted = intents.map {
            "\(JSONValue(encoding: $0.effect).canonicalText) (\($0.id), try \($0.tries), at \($0.due.rfc3339))"
        }
        return wanted.isEmpty ? place : "\(place): \(wanted.joined(separator: ", "))"
    }

    public var json: JSONValue {
        ["entry": .integer(entry.index), "recorded": .string(recorded), "decided": .string(decided)]
    }
}

/// The first of them, and how many there were.
public struct Differences: Sendable, Equatable {
    public init() {}
    public private(set) var first: Difference?
    public private(set) var count = 0

    mutating func note(_ difference: Difference) {
        if first == nil { first = difference }
        count += 1
    }

    /// Null when there is none.
    public var json: JSONValue {
        guard let first else { return .null }
        return ["count": .integer(Int64(count)), "first": first.json]
    }
}
