public import Faults
public import YAML

/// What a `queue_policy:` says: who is looked at first, and what each team may use.
public struct QueuePolicySpec: Codable, Equatable, Sendable {
    public struct Team: Codable, Equatable, Sendable {
        /// Its share, beside the others'.
        public var weight = 1.0
        public var quota: TeamQuota?
    }
    public var policy: String
    public var teams: [String: Team] = [:]

    public static let standard = QueuePolicySpec(policy: QueuePolicy.fair.name)

    init(policy: String) { self.policy = policy }

    /// Reads the value of a `queue_policy:` key.
    public init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("a queue's policy")
        try file.refuseUnknown(known: ["policy", "teams"])
        self = .standard
        if let node = file["policy"] {
            policy = try node.string()
            let names = QueuePolicy.all.filter { !$0.preempts }.map(\.name)
            guard names.contains(policy) else {
                throw node.fault(
                    "'\(policy)' is no policy.",
                    why: QueuePolicy.all.contains { $0.name == policy }
                        ? "it takes places from running jobs all the time, which only `train simulate` does in this version; here it is one of \(names.joined(separator: ", "))."
                        : "it is one of \(names.joined(separator: ", ")).",
                    fix: Suggestion.closest(to: policy, among: names).map { "Did you mean \($0)?" } ?? "Write fair.")
            }
        }
        for entry in try file["teams"]?.mapping("teams").entries ?? [] { teams[entry.key] = try Self.team(entry.value) }
    }

    private static func team(_ node: YAMLNode) throws(Fault) -> Team {
        let file = try node.mapping("a team")
        try file.refuseUnknown(known: ["weight", "quota"])
        var team = Team()
        if let node = file["weight"] {
            team.weight = try node.double()
            guard team.weight > 0 else {
                throw node.fault("A team cannot weigh \(team.weight).", why: "its share would be nothing.", fix: "Write 1 or more.")
            }
        }
        if let node = file["quota"] {
            let quota = try node.mapping("a quota")
            try quota.refuseUnknown(known: ["ranks", "accelerators", "cpus", "memory"])
            var limits = TeamQuota()
            limits.ranks = try quota["ranks"]?.integer(in: 0...1_000_000)
            limits.accelerators = try quota["accelerators"]?.integer(in: 0...1_000_000)
            if let node = quota["cpus"] { limits.cpus = try ResourceQuantity.cpus(node) }
            if let node = quota["memory"] { limits.memory = try ResourceQuantity.bytes(node) }
            team.quota = limits
        }
        return team
    }

    var queue: QueuePolicy {
        let named = QueuePolicy.all.first { $0.name == policy } ?? .fair
        guard case .share = named.order else { return named }
        var weighed = named
        weighed.order = .share(weights: teams.mapValues(\.weight))
        return weighed
    }
}
