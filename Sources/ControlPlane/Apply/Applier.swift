import Experiments
import Faults
import JSON
import Providers
import Registry
import Releases
import Routing
import Training
import YAML

/// Applies what files declare. All of them are read before the first is applied, so that a mistake in the last changes nothing.
struct Applier: Sendable {
    /// What became of one resource.
    struct Applied: Sendable {
        let kind: String
        let name: String
        /// `created`, `changed`, `unchanged`, `started` or `queued`.
        let outcome: String

        var json: JSONValue { ["kind": .string(kind), "name": .string(name), "outcome": .string(outcome)] }

        static let schema = Schema.object([
            "kind": .oneOf(Resource.kinds, "What was applied"), "name": .string("Its name"),
            "outcome": .oneOf(["created", "changed", "unchanged", "started", "queued"], "What became of it"),
        ])
    }

    let services: Services
    let by: String
    let whenBusy: ReleaseService.WhenBusy

    static func read(_ files: [ResourceFile]) throws(Fault) -> [Resource] {
        var resources: [Resource] = []
        for file in files { resources += try file.resources() }
        let ordered = resources.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }
        return ordered.map(\.element)
    }

    func apply(_ resources: [Resource]) async throws(Fault) -> [Applied] {
        var applied: [Applied] = []
        for resource in resources { applied.append(try await apply(resource)) }
        return applied
    }

    private func apply(_ resource: Resource) async throws(Fault) -> Applied {
        switch resource {
        case .model(let model):
            let outcome = try await services.registry.apply(model, by: by)
            return Applied(kind: "model", name: model.name, outcome: outcome.rawValue)
        case .prompt(let prompt):
            let outcome = try await services.registry.apply(prompt, by: by)
            return Applied(kind: "prompt", name: prompt.name, outcome: outcome.rawValue)
        case .provider(let provider):
            let outcome = try await services.providers.apply(provider, by: by)
            if outcome == .changed { try await services.routes.refresh(provider: provider.name) }
            return Applied(kind: "provider", name: provider.name, outcome: outcome.rawValue)
        case .route(let spec):
            let outcome = try await services.routes.apply(spec, by: by)
            return Applied(kind: "route", name: spec.name, outcome: outcome.rawValue)
        case .release(let node): return try await release(node)
        case .experiment(let node): return try await experiment(node)
        case .queuePolicy(let policy):
            let isNews = try await services.training.apply(policy, by: by)
            return Applied(kind: "queue_policy", name: policy.policy, outcome: isNews ? "changed" : "unchanged")
        case .node(let node):
            let isNews = try await services.training.apply(node, by: by)
            return Applied(kind: "node", name: node.name, outcome: isNews ? "changed" : "unchanged")
        case .job(let spec, let directory): return try await job(spec, directory)
        }
    }

    /// As with releases and experiments; `train submit` always begins anew.
    private func job(_ spec: JobSpec, _ directory: String) async throws(Fault) -> Applied {
        if await services.training.spec(of: spec.name) == spec {
            return Applied(kind: "training_job", name: spec.name, outcome: "unchanged")
        }
        let status = try await services.training.submit(spec, in: directory, by: by)
        let isQueued = status["state"]?.stringValue == "queued"
        return Applied(kind: "training_job", name: spec.name, outcome: isQueued ? "queued" : "started")
    }

    /// As with releases: the content of the latest attempt, running or ended, starts no other one.
    private func experiment(_ node: YAMLNode) async throws(Fault) -> Applied {
        let spec = try ExperimentSpec(node)
        if await services.experiments.stands(spec) {
            return Applied(kind: "experiment", name: spec.name, outcome: "unchanged")
        }
        let before = try? await services.experiments.status(spec.name)
        let isRunning = before.map(ExperimentRoutes.isRunning) ?? false
        _ = try await services.experiments.apply(node, by: by)
        return Applied(kind: "experiment", name: spec.name, outcome: isRunning ? "changed" : "started")
    }

    /// A file that says what the latest attempt was started with starts no other one: what was decided since stands.
    /// (`release apply` does not come here: it always begins anew.)
    private func release(_ node: YAMLNode) async throws(Fault) -> Applied {
        let spec = try ReleaseSpec(node)
        if let latest = await services.releases.spec(of: spec.name), latest.isSame(as: spec) {
            return Applied(kind: "release_pipeline", name: spec.name, outcome: "unchanged")
        }
        let status = try await services.releases.apply(node, whenBusy: whenBusy, by: by)
        let isQueued = status["queued_behind"]?.stringValue != nil
        return Applied(kind: "release_pipeline", name: spec.name, outcome: isQueued ? "queued" : "started")
    }
}
