import Faults
import JSON
import Ledger

/// What people said about the queue and its nodes, each recorded. Restart is replay.
struct PolicyBook: Sendable {
    struct Current: Sendable {
        var queue: QueuePolicy
        var quotas: [String: TeamQuota]
    }

    private(set) var spec = QueuePolicySpec.standard
    private var drained: Set<String> = []
    private var heads: [ResourceID: Position] = [:]

    static let kinds = ["queue_policy", "node"]
    static let queue = ResourceID("queue_policy", "queue")

    var current: Current { Current(queue: spec.queue, quotas: spec.teams.compactMapValues(\.quota)) }

    func isDraining(_ node: String) -> Bool { drained.contains(node) }

    func head(of resource: ResourceID) -> Position { heads[resource] ?? .none }

    /// What was recorded, now or in an earlier life.
    mutating func absorb(_ kind: String, _ body: JSONValue, of resource: ResourceID, at position: Position) throws(Fault) {
        heads[resource] = position
        switch kind {
        case "queue_policy.applied": spec = try body.decoded()
        case "node.drained": drained.insert(resource.name)
        case "node.resumed": drained.remove(resource.name)
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
