import Arguments

/// The whole command line.
public enum OpenClaw {
    static let commands: [Command] = [
        Serve.command, Apply.command, Status.command,
        ReleasePlanFile.command, ReleaseApply.command, ReleaseStatus.command, ReleaseList.command, ReleaseExplain.command,
        ReleaseGates.command, ReleasePromote.command, ReleasePause.command, ReleaseResume.command, ReleaseRollback.command,
        ReleaseAbort.command, ReleaseHistory.command,
        ExperimentPlanFile.command, ExperimentApply.command, ExperimentStatus.command, ExperimentList.command,
        ExperimentStop.command, ExperimentResume.command, ExperimentPromote.command, ExperimentExplain.command,
        ExperimentReport.command,
        ExperimentExport.command, ExperimentReplay.command,
        RouteApply.command, RouteList.command, RouteShow.command, RouteSet.command, RouteExplain.command,
        ModelApply.command, ModelList.command, ModelShow.command,
        PromptAdd.command, PromptApply.command, PromptList.command, PromptShow.command, PromptDiff.command, PromptRender.command,
        ProviderApply.command, ProviderList.command, ProviderShow.command,
        VersionList.command, VersionShow.command,
        TrainSubmit.command, TrainList.command, TrainStatus.command, TrainLogs.command, TrainCancel.command, TrainScale.command,
        TrainResume.command,
        TrainExplain.command, TrainReport.command, TrainSimulate.command, WorkerProcess.command,
        NodeList.command, NodeDrain.command, NodeResume.command, NodeLabel.command,
        ExperimentAnalyze.command, ExperimentSimulate.command,
        AuditLog.command, AuditShow.command, AuditVerify.command, AuditProve.command, AuditConsistency.command,
        AuditCheckpoint.command, AuditExport.command,
        TokenCreate.command, TokenList.command, TokenRevoke.command,
        ProgramVersion.command,
    ]

    static let nouns = [
        ("release", "Conduct a version to live users, and take it back"), ("route", "Where live traffic goes"),
        ("experiment", "Which variant is better, decided on live traffic"),
        ("model", "What can be released"), ("prompt", "What a language model is told"),
        ("provider", "Who answers for language models"),
        ("version", "Immutable states of models, and the version of this program"),
        ("train", "Where and how training jobs run"), ("node", "What training jobs run on"),
        ("token", "Who may do what"), ("audit", "What was decided, and its proof"),
    ]

    static let common: [Parameter] = [
        .flag("json", "Print one JSON document"),
        .option("server", "URL", "The daemon to talk to; standard: the home's own"),
        .option("home", "DIR", "The daemon's home; standard: $OPENCLAW_HOME, else $XDG_STATE_HOME/openclaw"),
    ]

    /// `clawdbot` is the same binary under a second name.
    public static func run(_ arguments: [String], as program: String = "openclaw") async -> Int32 {
        let name = program.split(separator: "/").last == "clawdbot" ? "clawdbot" : "openclaw"
        let line = Arguments.CommandLine(
            program: name,
            summary: "Takes a model or a prompt from its training script to live users, and takes it back when it misbehaves.",
            commands: commands, common: common, nouns: nouns)
        return await line.run(arguments)
    }
}
