extension ReleaseMachine {
    /// The closed list a client branches on: `running`, `paused`, `waiting` (for its turn, or for a person: it asks a question,
    /// or its pipeline is done and names nothing that promotes), `promoted`, `rolled_back`, `failed`.
    public var stateText: String {
        switch (state, hold) {
        case (.promoted, _): "promoted"
        case (.rolledBack, _): "rolled_back"
        case (.failed, _): "failed"
        case (.finished, _): "waiting"
        case (_, .paused?): "paused"
        case (_, .asked?), (.queued, nil): "waiting"
        case (.baking, nil): "promoted"
        case (.planned, nil), (.claiming, nil), (.building, nil), (.starting, nil), (.smoking, nil), (.canary, nil),
            (.deciding, nil),
            (.promoting, nil), (.rollingBack, nil):
            "running"
        }
    }

    /// Where it is: a stage's name, `queued`, or `done`. The gates look from the first canary request on, so that a moving
    /// canary is `monitor_metrics` where the pipeline names it.
    public var stageText: String {
        switch state {
        case .planned, .claiming, .queued: "queued"
        case .building: ReleaseSpec.StageName.buildArtifact.rawValue
        case .starting: (plan.runs(.smokeTest) ? ReleaseSpec.StageName.smokeTest : .canaryDeploy).rawValue
        case .smoking: ReleaseSpec.StageName.smokeTest.rawValue
        case .canary, .deciding:
            (plan.runs(.monitorMetrics) && share != nil ? ReleaseSpec.StageName.monitorMetrics : .canaryDeploy).rawValue
        case .promoting, .baking, .rollingBack: ReleaseSpec.StageName.promoteOrRollback.rawValue
        case .promoted, .rolledBack, .failed, .finished: "done"
        }
    }
}
