import Arguments
import JSON
import Telemetry

/// `openclaw train status NAME [--watch]`
enum TrainStatus {
    static let command = Command(
        "train status", summary: "How a job stands; --watch follows it until it has ended",
        discussion: "With --watch the exit code is 1 when the job fails or is cancelled.",
        parameters: [.operand("NAME", "The job"), .flag("watch", "Follow it until it has ended")]
    ) { invocation in
        let name = invocation.operand("NAME")
        if invocation.has("watch") {
            try await StatusWatcher(.job, invocation).watch(name)
            return
        }
        let status = try await APIClient(invocation).get("/api/v1/jobs/\(APIClient.segment(name))")
        Output(invocation).show(status) { style in TrainScreen.text(status, style, now: .now()) }
    }
}

/// `openclaw train list`
enum TrainList {
    static let command = Command("train list", summary: "All training jobs") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/jobs")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let jobs = answer["jobs"]?.arrayValue ?? []
        guard !jobs.isEmpty else {
            return "no training jobs yet\nnext: openclaw train submit --run \"python3 train.py\" --ranks 2 --watch"
        }
        var table = Table(["job", "state", "ranks", "step", "failures", "team", "made"])
        for job in jobs {
            let world = job["world"]?.integerValue ?? 0
            let step = job["progress"]?["step"]?.integerValue ?? 0
            table.add([
                TrainScreen.name(job), state(job, style), world > 0 ? "\(world)" : "", step > 0 ? Figures.count(step) : "",
                "\(job["failures"]?.integerValue ?? 0)", job["team"]?.stringValue ?? "", job["version"]?.stringValue ?? "",
            ])
        }
        return table.text(style)
    }

    private static func state(_ job: JSONValue, _ style: Style) -> String {
        let state = TrainScreen.state(job)
        return switch state {
        case "finished", "running": style.good(state)
        case "failed": style.bad(state)
        case "cancelled": state
        default: style.open(state)
        }
    }
}
