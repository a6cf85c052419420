public import Conducting
public import Faults
public import Telemetry

extension ExperimentMachine: Machine {
    public static var kind: String { "experiment" }

    public init(_ plan: ExperimentPlan, attempt: Int, after previous: ExperimentMachine?) { self.init(plan, attempt: attempt) }

    public var name: String { plan.spec.name }
    public var standing: Standing { Standing(state: stateText) }

    /// The evidence of one attempt, once it is on its route.
    public var watched: [ExperimentWatch] { isWatched && layer != nil ? [ExperimentWatch(attempt: attempt)] : [] }

    public func isStale(_ event: Event, at now: Timestamp) -> Bool {
        switch event {
        case .looked: !isWatched
        case .reweighted(let shares, _): !takesShares || areStale(shares)
        case .applied, .commanded, .changed, .attached, .moved, .covered, .joined, .retired, .overridden, .detached, .settled,
            .gated, .released, .failed, .timePassed:
            false
        }
    }

    public func refusal(of event: Event, beginning plan: ExperimentPlan?) -> Fault? {
        if plan != nil, !isOver {
            return Fault(
                .conflict, what: "\(name) is running already, from another content.",
                why: "Attempt \(attempt) is \(stateText); what it found so far would be mixed with something else.",
                fix: "Stop it first (openclaw experiment stop \(name)), or give the new one another name.")
        }
        if case .changed(let spec) = event { return refusal(ofChangeTo: spec) }
        guard case .commanded(let command, _, _) = event else { return nil }
        return refusal(of: command)
    }
}

extension ExperimentMachine.Effect: MachineEffect {}

/// What is watched for an experiment: the outcomes of one attempt.
public struct ExperimentWatch: Hashable, Sendable {
    public let attempt: Int
}

extension ExperimentMachine.Event: MachineEvent {
    public var word: String {
        switch self {
        case .applied: "applied"
        case .commanded(let command, _, _): "commanded_\(command.word)"
        case .attached: "attached"
        case .changed: "changed"
        case .joined: "variant_joined"
        case .retired: "variant_retired"
        case .overridden: "overridden"
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
