import Conducting
public import Faults
public import JSON
import Ledger
import Telemetry

extension ExperimentService {
    /// For each decision of the latest attempt: what was seen, what followed, and the ledger entry that proves it.
    public func explain(_ name: String) async throws(Fault) -> JSONValue {
        let conductor = try conductors.known(name)
        guard let machine = await conductor.machine else { throw conductors.unknown(name) }
        let entries = try await ledger.reader.entries(kind: ExperimentMachine.kind, name: name)
        var (chronicle, decisions) = (Chronicle<ExperimentMachine>(), [Told]())
        for entry in entries {
            let before = chronicle.machine
            chronicle.fold(entry)
            guard let after = chronicle.machine else { continue }
            if after.attempt != before?.attempt { decisions = [] }
            decisions += Told.of(entry, before: before?.attempt == after.attempt ? before : nil, after: after)
        }
        let last = decisions.last?.entry ?? -1
        return [
            "name": .string(name), "attempt": .integer(Int64(machine.attempt)), "state": .string(machine.stateText),
            "summary": .string(summary(of: machine, entry: last)),
            "because": machine.ending.map { .string($0.text) } ?? machine.look.map { .string($0.reason) } ?? .null,
            "still_needed": machine.look?.stillNeeded.map(JSONValue.string) ?? .null,
            "evidence": machine.look?.evidence ?? .null,
            "decisions": .array(Told.thinned(decisions).map(\.json)),
            "entry": .integer(last), "proof": .string("openclaw audit prove \(last)"),
        ]
    }

    private func summary(of machine: ExperimentMachine, entry: Int64) -> String {
        let proof = "(ledger entry \(entry))"
        guard let ending = machine.ending, let started = machine.startedAt else { return "\(machine.stateText) \(proof)" }
        let span = Double((ending.at - started).milliseconds) / 1_000
        let after = "after \(ExperimentPlan.text(span)) s"
        if let winner = ending.winner, !machine.isOver, ["releasing", "ending"].contains(machine.stateText) {
            let next = machine.stateText == "releasing" ? "goes through a release" : "is about to answer everybody"
            return "\(winner) won \(after), and \(next) \(proof)"
        }
        if let winner = ending.winner {
            return machine.release?.isPromoted == false
                ? "\(winner) won \(after), and was not released \(proof)" : "\(winner) promoted \(after) \(proof)"
        }
        return "ended without a winner \(after) \(proof)"
    }

    /// One thing that happened.
    private struct Told {
        var entry: Int64
        var at: Timestamp
        var what: String
        var because: String?
        var isShares = false

        var json: JSONValue {
            [
                "entry": .integer(entry), "at": .string(at.rfc3339), "what": .string(what),
                "because": because.map(JSONValue.string) ?? .null,
            ]
        }

        static let sharesMax = 20

        /// Many moves of shares are one story: the first and the last of them, and how many there were.
        static func thinned(_ decisions: [Told]) -> [Told] {
            let moves = decisions.filter(\.isShares).count
            guard moves > sharesMax else { return decisions }
            var seen = 0
            return decisions.filter { told in
                guard told.isShares else { return true }
                seen += 1
                return seen <= 3 || seen > moves - 3 || seen % (moves / (sharesMax - 6)) == 0
            }
        }

        static func of(_ entry: LedgerEntry, before: ExperimentMachine?, after: ExperimentMachine) -> [Told] {
            guard let record = try? entry.body.decoded(as: Chronicle<ExperimentMachine>.Record.self) else { return [] }
            func told(_ what: String, _ because: String? = nil, isShares: Bool = false) -> [Told] {
                [Told(entry: entry.position.index, at: entry.at, what: what, because: because, isShares: isShares)]
            }
            let names = after.arms.names
            switch record.input.event {
            case .applied: return told("applied by \(entry.by)", "attempt \(after.attempt)")
            case .attached: return told("first table served", after.sharesText)
            case .moved(let shares, _): return told("shares moved", Self.text(names, shares), isShares: true)
            case .changed(let spec):
                let texts = before.flatMap { try? ExperimentChange(of: $0, to: spec).texts } ?? []
                return told("changed by \(entry.by)", texts.joined(separator: "; "))
            case .joined(let arm, _): return told("\(names[arm]) joined")
            case .retired(let arm): return told("\(names[arm]) is off the route")
            case .overridden: return told("testers' overrides changed")
            case .covered(let step): return told("coverage raised", "step \(step + 1) of the ramp")
            case .looked(let look):
                guard before?.look?.outcome != look.outcome || before?.ending != after.ending else { return [] }
                return told("verdict \(look.outcome.rawValue)", look.reason)
            case .commanded(let command, let by, let reason): return told("\(command.word) by \(by)", reason)
            case .detached: return told("off the route", after.ending?.text)
            case .settled(let base): return told("\(base) answers everybody", after.ending?.text)
            case .gated(let version): return told("\(version) has passed no gates", "it goes through a release")
            case .released(let outcome): return told(outcome.isPromoted ? "released" : "not released", outcome.text)
            case .failed(let trouble): return told(trouble.what, trouble.why)
            case .timePassed: return after.ending == before?.ending ? [] : told("time passed", after.ending?.text)
            case .reweighted: return []
            }
        }

        static func text(_ names: [String], _ shares: [Int]) -> String {
            zip(names, shares).filter { $0.1 > 0 }.map { "\($0) \(ExperimentPlan.text(Double($1) / 100)) %" }.joined(
                separator: ", ")
        }
    }

    /// Everything a page or a paper needs: the status, with the story and the scores from before the experiment.
    public func report(_ name: String) async throws(Fault) -> JSONValue {
        guard case .object(var members) = try await status(name) else { throw conductors.unknown(name) }
        let story = try await explain(name)
        members["decisions"] = story["decisions"] ?? .null
        members["summary"] = story["summary"] ?? .null
        members["reported_at"] = .string(Timestamp.now().rfc3339)
        members["spec"] = await conductors[name]?.machine.map { JSONValue(encoding: $0.plan.spec) } ?? .null
        return .object(members)
    }

    /// The variant a person means: the one named, else the one that is known to be best, else the only one beside control.
    public func variant(toPromote named: String?, of name: String) async throws(Fault) -> String {
        if let named { return named }
        let conductor = try conductors.known(name)
        guard let machine = await conductor.machine else { throw conductors.unknown(name) }
        if let winner = machine.look?.winner { return winner }
        let others = machine.plan.spec.variants.dropFirst()
        if others.count == 1, let only = others.first { return only.name }
        throw Fault(
            .usage, what: "It is not clear which variant of \(name) is to be promoted.",
            why: "None is known to be best, and there are \(others.map(\.name).joined(separator: ", ")).",
            fix: "Name one: openclaw experiment promote \(name) VARIANT")
    }
}

extension ExperimentMachine {
    fileprivate var sharesText: String {
        zip(arms.names, shares).filter { $0.1 > 0 }.map { "\($0) \(ExperimentPlan.text(Double($1) / 100)) %" }.joined(
            separator: ", ")
    }
}
