import Faults
import HTTP
import JSON
import Training
import YAML

/// `/api/v1/jobs`: training jobs.
enum TrainingRoutes {
    static let endpoints: [Endpoint] = reading + conducting

    private static let reading: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/jobs", .scope(.read), "All training jobs, the newest first",
            gives: .object(["jobs": .array(of: status)])
        ) { call throws(Fault) in .list("jobs", await (try call.services).training.list()) },
        Endpoint(.get, "/api/v1/jobs/{name}", .scope(.read), "How a job stands", gives: status) { call throws(Fault) in
            .json(try await call.services.training.status(call["name"]))
        },
        Endpoint(
            .get, "/api/v1/jobs/{name}/explain", .scope(.read), "Why a job waits and until when, or why it was placed where it is",
            gives: .any("The explanation")
        ) { call throws(Fault) in .json(try await call.services.training.explain(call["name"])) },
        Endpoint(
            .get, "/api/v1/jobs/{name}/report", .scope(.read), "Where a job's time went, what failures cost, and what to change",
            gives: .any("The report")
        ) { call throws(Fault) in .json(try await call.services.training.report(call["name"])) },
        Endpoint(
            .get, "/api/v1/jobs/{name}/events", .scope(.read), "A job's status, live",
            answers: .events("`status` whenever it changes; the stream ends when the job has ended")
        ) { call throws(Fault) in
            let (name, training) = (call["name"], try call.services.training)
            let watch = StatusWatch(
                status: { () async throws(Fault) in try await training.status(name) }, isRunning: TrainingRoutes.isRunning)
            return .events(try await watch.stream())
        },
        Endpoint(
            .get, "/api/v1/jobs/{name}/logs", .scope(.read), "What ranks wrote: lines of `time rank text`",
            query: [
                .init("rank", "Of this rank alone"), .init("tail", "So many last lines of each rank; standard 1000"),
                .init("follow", "`true`: stay until the job has ended"),
            ], answers: .text(type: "text/plain")
        ) { call throws(Fault) in
            let rank = try call.request.query("rank").map { _ throws(Fault) in
                try call.query("rank", default: 0, in: 0...JobSpec.ranksMax)
            }
            let tail = try call.query("tail", default: 1_000, in: 0...1_000_000)
            let logs = JobLogs(
                training: try call.services.training, job: call["name"], rank: rank, tail: tail,
                follows: call.request.query("follow") == "true")
            return .stream(try await logs.stream(), type: "text/plain")
        },
    ]

    private static let conducting: [Endpoint] = [
        Endpoint(
            .post, "/api/v1/jobs", .scope(.admin), "Submits the training jobs that a file declares; they run as the daemon's user",
            takes: ApplyRoutes.body, gives: .object(["jobs": .array(of: status)])
        ) { call throws(Fault) in
            let training = try call.services.training
            var jobs: [JSONValue] = []
            for (spec, directory) in try declared(in: call) {
                jobs.append(try await training.submit(spec, in: directory, by: call.by))
            }
            return .list("jobs", jobs)
        },
        Endpoint(
            .post, "/api/v1/jobs/{name}/cancel", .scope(.operate), "Ends it; its checkpoints stay",
            takes: .object([:], optional: ["reason": Schema.string("Recorded beside the decision").orNull]), gives: status
        ) { call throws(Fault) in
            .json(try await call.services.training.cancel(call["name"], by: call.by, reason: call.body["reason"]?.stringValue))
        },
        Endpoint(
            .post, "/api/v1/jobs/{name}/resume", .scope(.operate),
            "Goes on with a job that an earlier version of this program recorded otherwise", takes: .object([:]), gives: status
        ) { call throws(Fault) in .json(try await call.services.training.resume(call["name"], by: call.by)) },
        Endpoint(
            .post, "/api/v1/jobs/{name}/scale", .scope(.operate),
            "So many ranks from now on; one that runs is stopped at a checkpoint and goes on with these",
            takes: .object(["ranks": .integer("How many")]), gives: status
        ) { call throws(Fault) in
            let ranks = Int(clamping: call.body["ranks"]?.integerValue ?? 0)
            return .json(try await call.services.training.scale(call["name"], to: ranks, by: call.by))
        },
    ]

    static let status = Schema.object(
        [
            "name": .string("The job's name"),
            "state": .string("queued, starting, running, stopping, registering, finished, failed or cancelled"),
            "ranks": .array(of: .any("Each rank: its node, devices, state and step")),
            "progress": .any("Steps, samples per second, what the script logged, and what is left"),
            "losses": .array(of: .any("Ranks that died, and whether the others went on")),
        ], open: true)

    private static func declared(in call: Call) throws(Fault) -> [(JobSpec, String)] {
        var jobs: [(JobSpec, String)] = []
        for resource in try Applier.read(try ApplyRoutes.files(in: call)) {
            guard case .job(let spec, let directory) = resource else {
                throw Fault(
                    .badConfiguration, what: "This file declares more than training jobs.",
                    why: "Only `training_job:` can be submitted here.", fix: "Apply it with: openclaw apply -f FILE.")
            }
            guard !jobs.contains(where: { $0.0.name == spec.name }) else {
                throw Fault(
                    .badConfiguration, what: "\(spec.name) is declared twice.",
                    why: "Two jobs of one name would write the same checkpoints.", fix: "Keep one, or give the other another name.")
            }
            jobs.append((spec, directory))
        }
        return jobs
    }

    /// Whether a job's end is still open.
    static func isRunning(_ status: JSONValue) -> Bool {
        !["finished", "failed", "cancelled"].contains(status["state"]?.stringValue ?? "")
    }
}

/// `/api/v1/nodes`: what jobs run on.
enum NodeRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/nodes", .scope(.read), "Every node, with what it has and what is used of it",
            gives: .object(["nodes": .array(of: node)])
        ) { call throws(Fault) in .json(["nodes": await (try call.services).training.nodes()]) },
        Endpoint(
            .post, "/api/v1/nodes/{name}/drain", .scope(.operate), "It takes nothing new",
            takes: .object([:], optional: ["now": .boolean("Also stop what runs there, at a checkpoint, to go on elsewhere")]),
            gives: .object(["nodes": .array(of: node)])
        ) { call throws(Fault) in
            let now = call.body["now"]?.boolValue ?? false
            return .json(["nodes": try await call.services.training.drain(node: call["name"], now: now, by: call.by)])
        },
        Endpoint(
            .post, "/api/v1/nodes/{name}/labels", .scope(.operate),
            "Gives labels that jobs can require or avoid, or takes them away",
            takes: .object(
                [:],
                optional: [
                    "set": .any("Labels and their values, an object of texts"),
                    "remove": .array(of: .string("A label that was given so")),
                ]), gives: .object(["nodes": .array(of: node)])
        ) { call throws(Fault) in
            var labels: [String: String] = [:]
            for (label, value) in call.body["set"]?.objectValue ?? [:] {
                guard let text = value.stringValue else {
                    throw Fault(
                        .usage, what: "Label '\(label)' has no value.", why: "Its value is not a text.", fix: "Send a text.")
                }
                labels[label] = text
            }
            let removed = (call.body["remove"]?.arrayValue ?? []).compactMap(\.stringValue)
            let training = try call.services.training
            return .json(["nodes": try await training.label(node: call["name"], set: labels, removed: removed, by: call.by)])
        },
        Endpoint(
            .post, "/api/v1/nodes/{name}/resume", .scope(.operate), "It takes jobs again", takes: .object([:]),
            gives: .object(["nodes": .array(of: node)])
        ) { call throws(Fault) in
            .json(["nodes": try await call.services.training.resume(node: call["name"], by: call.by)])
        },
    ]

    private static let node = Schema.object(
        [
            "name": .string("The node's name"), "health": .oneOf(["ready", "draining", "lost"], "Whether it takes jobs"),
            "cpus": .number("Cores"), "memory_bytes": .integer("Memory"), "ranks": .integer("Ranks that run there"),
        ], open: true)
}
