import Faults
import JSON
import Releases
import YAML

/// `/api/v1/releases`: conducting releases.
enum ReleaseRoutes {
    static let endpoints: [Endpoint] = reading + conducting

    private static let reading: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/releases", .scope(.read), "All releases, the newest first",
            gives: .object(["releases": .array(of: status)])
        ) { call throws(Fault) in .list("releases", await (try call.services).releases.list()) },
        Endpoint(.get, "/api/v1/releases/{name}", .scope(.read), "How a release stands", gives: status) { call throws(Fault) in
            .json(try await call.services.releases.status(call["name"]))
        },
        Endpoint(
            .get, "/api/v1/releases/{name}/explain", .scope(.read),
            "For each decision what was seen, what would have changed it, and the ledger entry that proves it",
            gives: .any("The explanation")
        ) { call throws(Fault) in .json(try await call.services.releases.explain(call["name"])) },
        Endpoint(
            .get, "/api/v1/releases/{name}/history", .scope(.read), "What happened in a release, in order",
            gives: .object(["history": .array(of: .any("One event"))])
        ) { call throws(Fault) in .list("history", try await call.services.releases.history(call["name"])) },
        Endpoint(
            .get, "/api/v1/history", .scope(.read), "What happened in all releases, in order",
            gives: .object(["history": .array(of: .any("One event"))])
        ) { call throws(Fault) in .list("history", try await call.services.releases.history(nil)) },
        Endpoint(
            .get, "/api/v1/gates", .scope(.read), "Every gate there is", gives: .object(["gates": .array(of: .any("One gate"))])
        ) { _ in .json(["gates": Gate.catalogue]) },
        Endpoint(
            .get, "/api/v1/releases/{name}/events", .scope(.read), "A release's status, live",
            answers: .events("`status` whenever it changes; the stream ends when the release is decided")
        ) { call throws(Fault) in
            let (name, releases) = (call["name"], try call.services.releases)
            let watch = StatusWatch(
                status: { () async throws(Fault) in try await releases.status(name) }, isRunning: ReleaseRoutes.isRunning)
            return .events(try await watch.stream())
        },
    ]

    private static let conducting: [Endpoint] =
        [
            Endpoint(
                .post, "/api/v1/releases", .scope(.operate), "Starts (or queues) the release that a file declares; answers at once",
                takes: ApplyRoutes.body, gives: .object(["releases": .array(of: status)])
            ) { call throws(Fault) in
                let releases = try call.services.releases
                var started: [JSONValue] = []
                for pipeline in try pipelines(in: call) {
                    started.append(try await releases.apply(pipeline, whenBusy: ApplyRoutes.whenBusy(in: call), by: call.by))
                }
                return .list("releases", started)
            },
            Endpoint(
                .post, "/api/v1/releases/plan", .scope(.read), "What the release in a file would do; changes nothing",
                takes: ApplyRoutes.body, gives: .object(["plans": .array(of: .any("One plan"))])
            ) { call throws(Fault) in
                let releases = try call.services.releases
                var plans: [JSONValue] = []
                for pipeline in try pipelines(in: call) { plans.append(try await releases.plan(pipeline)) }
                return .list("plans", plans)
            },
        ] + ReleaseCommand.allCases.map(endpoint)

    private static func endpoint(of command: ReleaseCommand) -> Endpoint {
        let does =
            switch command {
            case .promote: "Promotes the candidate now, whatever its gates say"
            case .pause: "Holds the release where it stands"
            case .resume: "Goes on with a paused release, or with one that an earlier version recorded otherwise"
            case .rollback: "Takes the candidate back now"
            case .abort: "Ends the release and takes the candidate back"
            }
        return Endpoint(
            .post, "/api/v1/releases/{name}/\(command.rawValue)", .scope(.operate), does,
            takes: .object([:], optional: ["reason": Schema.string("Recorded beside the decision").orNull]), gives: status
        ) { call throws(Fault) in
            .json(
                try await call.services.releases.perform(
                    command, on: call["name"], by: call.by, reason: call.body["reason"]?.stringValue))
        }
    }

    static let status = Schema.object(
        [
            "name": .string("The pipeline's name"), "model": .string("Its model"), "version": .string("The candidate"),
            "state": .oneOf(
                ["running", "paused", "waiting", "promoted", "rolled_back", "failed"],
                "`waiting`: for its turn or for a person's decision; in stage `done`, no stage of its pipeline promotes it"),
            "stage": Schema.string("Where it stands").orNull,
            "share": Schema.number("The candidate's share of live traffic: 0.25 is 25 %").orNull,
            "verdicts": .array(of: .any("One gate's verdict with its evidence")),
        ], open: true)

    private static func pipelines(in call: Call) throws(Fault) -> [YAMLNode] {
        var pipelines: [YAMLNode] = []
        for resource in try Applier.read(try ApplyRoutes.files(in: call)) {
            guard case .release(let node) = resource else {
                throw Fault(
                    .badConfiguration, what: "This file declares more than releases.",
                    why: "Only `release_pipeline:` can be planned or released.",
                    fix: "Apply it with: openclaw apply -f FILE.")
            }
            pipelines.append(node)
        }
        return pipelines
    }

    /// Whether a release's end is still open.
    static func isRunning(_ status: JSONValue) -> Bool {
        !["promoted", "rolled_back", "failed"].contains(status["state"]?.stringValue ?? "") && status["stage"] != "done"
    }
}
