public import Conducting
public import Faults
public import Telemetry

extension ReleaseMachine: Machine {
    public static var kind: String { "release" }

    /// The server that an earlier attempt at the same version left running is taken over.
    public init(_ plan: ReleasePlan, attempt: Int, after previous: ReleaseMachine?) {
        self.init(plan, attempt: attempt, inheriting: previous?.deployment)
    }

    public var name: String { plan.name }
    public var standing: Standing { Standing(state: stateText, stage: stageText) }

    public var watched: [ReleaseWatch] {
        var watched: [ReleaseWatch] = []
        if isWatched, let watch { watched.append(.outcomes(watch)) }
        if let process = deployment?.process { watched.append(.server(process)) }
        return watched
    }

    public func isStale(_ event: Event, at now: Timestamp) -> Bool {
        switch event {
        case .judged, .metricSilent: !isWatched
        case .routeFree: !awaitsRoute
        case .applied, .commanded, .replaced, .retired, .revived, .claimed, .busy, .built, .serving, .smoked, .watching,
            .routed, .crowned, .uncrowned, .left, .stopped, .previousRetired, .previousUp, .failed, .interrupted, .serverDied,
            .timePassed:
            false
        }
    }

    public func refusal(of event: Event, beginning plan: ReleasePlan?) -> Fault? {
        if plan != nil, !mayBeFollowed {
            return Fault(
                .conflict, what: "\(name) is already being released.",
                why: "Attempt \(attempt) is \(stateText), in stage \(stageText).",
                fix: "Wait for it, or end it: openclaw release abort \(name)")
        }
        guard case .commanded(let command, _, _) = event else { return nil }
        return refusal(of: command)
    }
}

extension ReleaseMachine.Effect: MachineEffect {
    /// Traffic moves at once.
    public var isUrgent: Bool { kind == .route }
}

extension ReleaseMachine.Event: MachineEvent {
    public var word: String {
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
