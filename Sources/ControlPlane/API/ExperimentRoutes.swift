import Experiments
import Faults
import HTTP
import JSON
import YAML

/// `/api/v1/experiments`: conducting experiments.
enum ExperimentRoutes {
    static let endpoints: [Endpoint] = reading + conducting

    private static let reading: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/experiments", .scope(.read), "All experiments, the newest first",
            gives: .object(["experiments": .array(of: status)])
        ) { call throws(Fault) in .list("experiments", await (try call.services).experiments.list()) },
        Endpoint(.get, "/api/v1/experiments/{name}", .scope(.read), "How an experiment stands", gives: status) {
            call throws(Fault) in
            .json(try await call.services.experiments.status(call["name"]))
        },
        Endpoint(
            .get, "/api/v1/experiments/{name}/explain", .scope(.read),
            "For each decision what was seen, and the ledger entry that proves it", gives: .any("The explanation")
        ) { call throws(Fault) in .json(try await call.services.experiments.explain(call["name"])) },
        Endpoint(
            .get, "/api/v1/experiments/{name}/report", .scope(.read),
            "The experiment with its evidence, the course of its shares, and offline scores beside live effects",
            gives: .any("The report")
        ) { call throws(Fault) in .json(try await call.services.experiments.report(call["name"])) },
        Endpoint(
            .get, "/api/v1/experiments/{name}/events", .scope(.read), "An experiment's status, live",
            answers: .events("`status` whenever it changes; the stream ends when the experiment has ended")
        ) { call throws(Fault) in
            let (name, experiments) = (call["name"], try call.services.experiments)
            let watch = StatusWatch(
                status: { () async throws(Fault) in try await experiments.status(name) }, isRunning: ExperimentRoutes.isRunning)
            return .events(try await watch.stream())
        },
        Endpoint(
            .get, "/api/v1/experiments/{name}/export", .scope(.read), "Exposures and outcomes of an experiment, one to a line",
            query: [.init("format", "`csv` (standard) or `jsonl`")], answers: .text(type: "text/csv")
        ) { call throws(Fault) in
            guard let format = ExperimentExport.Format(rawValue: call.request.query("format") ?? "csv") else {
                throw Fault(
                    .usage, what: "The experiment cannot be exported.",
                    why: "'\(call.request.query("format") ?? "")' is no format.",
                    fix: "Choose csv or jsonl.")
            }
            return .stream(try await call.services.experiments.export(call["name"], as: format), type: format.mediaType)
        },
    ]

    private static let planned = Schema.object(
        ["files": .array(of: ResourceFile.schema)],
        optional: [
            "only": .oneOf(Resource.kinds, "Refuse resources of another kind"),
            "assume": .object(
                [:],
                optional: [
                    "baseline": .number("The primary metric's figure of control, instead of what was seen"),
                    "deviation": .number("Of one value around it"),
                    "units_per_day": .number("New units of the route, instead of what was seen"),
                ]),
        ])

    private static let conducting: [Endpoint] = [
        Endpoint(
            .post, "/api/v1/experiments", .scope(.operate),
            "Starts the experiments that a file declares, or changes those that run, as far as they may change; answers when it is served",
            takes: ApplyRoutes.body, gives: .object(["experiments": .array(of: status)])
        ) { call throws(Fault) in
            let experiments = try call.services.experiments
            var started: [JSONValue] = []
            for node in try declared(in: call) { started.append(try await experiments.apply(node, by: call.by)) }
            return .list("experiments", started)
        },
        Endpoint(
            .post, "/api/v1/experiments/plan", .scope(.read),
            "What the experiment in a file would take, in units and time; changes nothing", takes: planned,
            gives: .object(["plans": .array(of: .any("One plan"))])
        ) { call throws(Fault) in
            let experiments = try call.services.experiments
            var plans: [JSONValue] = []
            for node in try declared(in: call) {
                plans.append(try await experiments.plan(node, assuming: PlanAssumption(call.body["assume"])))
            }
            return .list("plans", plans)
        },
        Endpoint(
            .post, "/api/v1/experiments/{name}/stop", .scope(.operate),
            "Ends it without a winner: the route's base split answers again",
            takes: .object([:], optional: ["reason": reason]), gives: status
        ) { call throws(Fault) in
            .json(
                try await call.services.experiments.perform(
                    .stop, on: call["name"], by: call.by, reason: call.body["reason"]?.stringValue))
        },
        Endpoint(
            .post, "/api/v1/experiments/{name}/resume", .scope(.operate),
            "Goes on with one that an earlier version recorded otherwise, from where this version sees it",
            takes: .object([:]), gives: status
        ) { call throws(Fault) in .json(try await call.services.experiments.resume(call["name"], by: call.by)) },
        Endpoint(
            .post, "/api/v1/experiments/{name}/promote", .scope(.operate),
            "A variant answers everybody from now on, whatever the evidence says",
            takes: .object(
                [:],
                optional: ["variant": Schema.string("Which; standard: the one that is known to be best").orNull, "reason": reason]),
            gives: status
        ) { call throws(Fault) in
            let experiments = try call.services.experiments
            let variant = try await experiments.variant(toPromote: call.body["variant"]?.stringValue, of: call["name"])
            return .json(
                try await experiments.perform(
                    .promote(variant: variant), on: call["name"], by: call.by, reason: call.body["reason"]?.stringValue))
        },
    ]

    private static let reason = Schema.string("Recorded beside the decision").orNull

    static let status = Schema.object(
        [
            "name": .string("The experiment's name"), "route": .string("Its route"),
            "state": .string("starting, running, asking, ending, releasing, promoted, stopped or failed"),
            "variants": .array(of: .any("What is tried, with its share, requests and outcomes; control first")),
            "verdict": .any("What is known: better, worse, equivalent or undecided, and why"),
            "evidence": .any("Every figure of every metric and variant"),
        ], open: true)

    private static func declared(in call: Call) throws(Fault) -> [YAMLNode] {
        var nodes: [YAMLNode] = []
        for resource in try Applier.read(try ApplyRoutes.files(in: call)) {
            guard case .experiment(let node) = resource else {
                throw Fault(
                    .badConfiguration, what: "This file declares more than experiments.",
                    why: "Only `experiment:` can be planned or started here.", fix: "Apply it with: openclaw apply -f FILE.")
            }
            nodes.append(node)
        }
        return nodes
    }

    /// Whether an experiment's end is still open.
    static func isRunning(_ status: JSONValue) -> Bool {
        !["promoted", "stopped", "failed"].contains(status["state"]?.stringValue ?? "")
    }
}
