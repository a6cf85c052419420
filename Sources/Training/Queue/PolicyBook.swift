import Faults
import JSON
import Ledger

/// What people said about the queue and its nodes, each recorded. Restart is replay.
struct PolicyBook: Sendable {
    struct Current: Sendable {
        var queue: QueuePolicy
        var quotas: [String: TeamQuota] = [:]
        /// For every job.
        var nodes: NodeRule?
        var elastic = Elasticity()
    }
    /// Labels that were given and taken away one by one.
    struct Labelling: Codable, Equatable, Sendable {
        var set: [String: String] = [:]
        var removed: [String] = []
    }

    private(set) var spec = QueuePolicySpec.standard
    private var drained: Set<String> = []
    private var labels: [String: [String: String]] = [:]
    private var declared: [String: NodeSpec] = [:]
    private var throughputs: [String: [String: Double]] = [:]
    private var heads: [ResourceID: Position] = [:]

    static let kinds = ["queue_policy", "node", "throughput"]
    static let queue = ResourceID("queue_policy", "queue")

    var current: Current {
        Current(
            queue: spec.queue, quotas: spec.teams.compactMapValues(\.quota), nodes: spec.nodes,
            elastic: spec.elastic ?? Elasticity())
    }

    func isDraining(_ node: String) -> Bool { drained.contains(node) }
    func declaration(of node: String) -> NodeSpec? { declared[node] }
    func labels(of node: String) -> [String: String] { labels[node] ?? [:] }
    /// Samples a second of one rank, by kind, of earlier runs of a job of that name.
    func throughputs(of job: String) -> [String: Double] { throughputs[job] ?? [:] }

    /// A node as its engine knows it, with what people said about it: labels by command go before declared ones, and those
    /// before the engine's.
    func completed(_ node: Node) -> Node {
        var node = node
        if let declared = declared[node.name] { declared.complete(&node) }
        node.labels.merge(labels[node.name] ?? [:]) { _, new in new }
        if drained.contains(node.name), node.health == .ready { node.health = .draining }
        return node
    }

    func head(of resource: ResourceID) -> Position { heads[resource] ?? .none }

    /// What was recorded, now or in an earlier life.
    mutating func absorb(_ kind: String, _ body: JSONValue, of resource: ResourceID, at position: Position) throws(Fault) {
        heads[resource] = position
        switch kind {
        case "queue_policy.applied": spec = try body.decoded()
        case "node.drained": drained.insert(resource.name)
        case "node.resumed": drained.remove(resource.name)
        case "node.labelled":
            let change: Labelling = try body.decoded()
            for label in change.removed { labels[resource.name]?[label] = nil }
            labels[resource.name, default: [:]].merge(change.set) { _, new in new }
        case "node.declared": declared[resource.name] = try body.decoded()
        case "throughput.measured": throughputs[resource.name, default: [:]].merge(try body.decoded()) { _, new in new }
        default: break  // a later version's kind
        }
    }

    static func fault(_ refusal: AppendRefusal, _ resource: ResourceID) -> Fault {
        switch refusal {
        case .cannotRecord(let fault): fault
        case .moved:
            Fault(
                .conflict, what: "\(resource) was changed by somebody else at this moment.", why: "Theirs was recorded first.",
                fix: "Look at it, and try again.")
        }
    }
}
