import Arguments
import ControlPlane
import Faults
import JSON
import Telemetry

/// `openclaw train submit FILE` or `openclaw train submit --run "..." --ranks 4`
enum TrainSubmit {
    static let command = Command(
        "train submit", summary: "Submit a training job; --watch stays until it has ended",
        discussion: """
            The command of --run gets torchrun's environment (RANK, WORLD_SIZE, MASTER_ADDR, ...) on every rank, and runs in this
            folder as the daemon's user. With --watch the exit code is 1 when the job fails or is cancelled.
            """,
        parameters: [
            .operand("FILE", "A `training_job:` file", required: false),
            .option("run", "COMMAND", "What every rank runs"), .option("ranks", "N", "How many, or MIN-MAX; standard: 1"),
            .option("name", "NAME", "Standard: made from the command"), .option("cpus", "CPUS", "Of each rank, such as 2 or 500m"),
            .option("memory", "SIZE", "Of each rank, such as 2Gi"),
            .option("accelerators", "WISH", "Of each rank: any, H100:1, nvidia.com/gpu:2"),
            .option("priority", "PRIORITY", "low, normal, high, urgent, or 0 to 1000"),
            .option("team", "TEAM", "Whose quota it uses"),
            .option("register", "MODEL@VERSION", "Make the output this version (with --output)"),
            .option("output", "PATH", "What to register, below this folder"),
            .flag("watch", "Stay until it has ended"),
        ]
    ) { invocation in
        let answer = try await APIClient(invocation).post("/api/v1/jobs", try body(invocation))
        let jobs = answer["jobs"]?.arrayValue ?? []
        if invocation.has("watch"), jobs.count == 1 {
            try await StatusWatcher(.job, invocation).watch(TrainScreen.name(jobs[0]))
            return
        }
        Output(invocation).show(jobs.count == 1 ? jobs[0] : answer) { style in
            jobs.map { TrainScreen.text($0, style, now: .now()) }.joined(separator: "\n\n")
        }
    }

    private static func body(_ invocation: Invocation) throws(Fault) -> JSONValue {
        let run = invocation.value("run")
        let file = invocation.value("FILE")
        guard (run == nil) != (file == nil) else {
            throw Fault(
                .usage, what: run == nil ? "There is nothing to submit." : "A file and --run cannot both be submitted.",
                why: run == nil ? "Neither a file nor --run was given." : "One of them says what is to run.",
                fix: "openclaw train submit FILE, or openclaw train submit --run \"python3 train.py\" --ranks 2")
        }
        if let file { return try ApplyBody.make(of: [file]) }
        return [
            "files": [
                [
                    "name": "--run",
                    "directory": .string(
                        Home.absolute(".").hasSuffix("/.") ? String(Home.absolute(".").dropLast(2)) : Home.absolute(".")),
                    "text": .string((["training_job": try job(run ?? "", invocation)] as JSONValue).canonicalText),
                ]
            ]
        ]
    }

    private static func job(_ run: String, _ invocation: Invocation) throws(Fault) -> JSONValue {
        var job: [String: JSONValue] = ["run": .string(run), "name": .string(invocation.value("name") ?? standardName(run))]
        if let ranks = invocation.value("ranks") { job["ranks"] = try self.ranks(ranks) }
        var resources: [String: JSONValue] = [:]
        for name in ["cpus", "memory", "accelerators"] {
            if let value = invocation.value(name) { resources[name] = Int64(value).map { .integer($0) } ?? .string(value) }
        }
        if !resources.isEmpty { job["resources"] = .object(resources) }
        if let priority = invocation.value("priority") {
            job["priority"] = Int64(priority).map { .integer($0) } ?? .string(priority)
        }
        if let team = invocation.value("team") { job["team"] = .string(team) }
        guard (invocation.value("register") == nil) == (invocation.value("output") == nil) else {
            throw Fault(
                .usage, what: "--register and --output belong together.",
                why: "One says which version is made, the other from which file or folder.",
                fix: "Write both: --register fraud-model@v12 --output model/")
        }
        if let register = invocation.value("register") {
            job["output"] = ["register": .string(register), "path": .string(invocation.value("output") ?? "")]
        }
        return .object(job)
    }

    private static func ranks(_ text: String) throws(Fault) -> JSONValue {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
        if parts.count == 1, let ranks = parts[0] { return .integer(ranks) }
        if parts.count == 2, let least = parts[0], let most = parts[1] { return ["min": .integer(least), "max": .integer(most)] }
        throw Fault(
            .usage, what: "--ranks cannot be '\(text)'.", why: "A number, or two with a hyphen, is expected.",
            fix: "Write it like 4 or 2-4.")
    }

    /// `python3 train.py --epochs 20` is `train-` and the time: two submissions are two jobs.
    static func standardName(_ run: String) -> String {
        let words = run.split(whereSeparator: \.isWhitespace)
        let script = words.first { $0.hasSuffix(".py") || $0.hasSuffix(".sh") } ?? words.first ?? "job"
        let file = script.split(separator: "/").last.map(String.init) ?? "job"
        let stem = file.split(separator: ".").first.map(String.init) ?? "job"
        let plain = String(stem.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "-" }.prefix(40))
        let moment = String(Timestamp.now().milliseconds / 10, radix: 36).suffix(6)
        let isFine = plain.first.map { $0.isLetter || $0.isNumber } ?? false
        return "\(isFine ? plain : "job")-\(moment)"
    }
}
