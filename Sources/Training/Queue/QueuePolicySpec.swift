public import Faults
public import YAML

/// What a `queue_policy:` says: who is looked at first, what each team may use, where jobs may run, and whether elastic ones grow.
public struct QueuePolicySpec: Codable, Equatable, Sendable {
    public struct Team: Codable, Equatable, Sendable {
        /// Its share, beside the others'.
        public var weight = 1.0
        public var quota: TeamQuota?
    }
    public var policy: String
    public var teams: [String: Team] = [:]
    /// Where `policy` is `weighted`.
    public var weights: QueueWeights?
    /// For every job, beside what it says itself.
    public var nodes: NodeRule?
    public var elastic: Elasticity?

    public static let standard = QueuePolicySpec(policy: QueuePolicy.fair.name)

    init(policy: String) { self.policy = policy }

    /// Reads the value of a `queue_policy:` key.
    public init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("a queue's policy")
        try file.refuseUnknown(known: ["policy", "weights", "teams", "nodes", "elastic"])
        self = .standard
        if let node = file["weights"] {
            weights = try Self.weights(node)
            policy = QueuePolicy.weightedName
        }
        if let node = file["policy"] { policy = try Self.name(node, isWeighed: weights != nil) }
        for entry in try file["teams"]?.mapping("teams").entries ?? [] { teams[entry.key] = try Self.team(entry.value) }
        if let node = file["nodes"] { nodes = try NodeRule(node) }
        if let node = file["elastic"] { elastic = try Elasticity(node) }
    }

    private static func name(_ node: YAMLNode, isWeighed: Bool) throws(Fault) -> String {
        let name = try node.string()
        let names = QueuePolicy.all.map(\.name) + [QueuePolicy.weightedName]
        guard names.contains(name) else {
            throw node.fault(
                "'\(name)' is no policy.", why: "it is one of \(names.joined(separator: ", ")).",
                fix: Suggestion.closest(to: name, among: names).map { "Did you mean \($0)?" } ?? "Write fair.")
        }
        if isWeighed, name != QueuePolicy.weightedName {
            throw node.fault(
                "'\(name)' weighs nothing.", why: "`weights:` are given, which only the policy weighted adds up.",
                fix: "Leave `policy:` or `weights:` out.")
        }
        if !isWeighed, name == QueuePolicy.weightedName {
            throw node.fault(
                "The policy weighted needs weights.", why: "there is no `weights:` beside it.",
                fix: "Add, say, weights: { priority: 1000, age: 100, share: 500 }.")
        }
        return name
    }

    private static func weights(_ node: YAMLNode) throws(Fault) -> QueueWeights {
        let file = try node.mapping("what counts in the queue")
        try file.refuseUnknown(known: ["priority", "age", "share", "size", "attained", "full_age"])
        var weights = QueueWeights()
        func weight(_ key: String) throws(Fault) -> Double {
            guard let node = file[key] else { return 0 }
            let value = try node.double()
            guard abs(value) <= 1_000_000 else {
                throw node.fault(
                    "\(key) cannot weigh \(value).", why: "from -1000000 to 1000000 are possible.",
                    fix: "Weights count beside each other: make all of them smaller.")
            }
            return value
        }
        (weights.priority, weights.age, weights.share) = (try weight("priority"), try weight("age"), try weight("share"))
        (weights.size, weights.attained) = (try weight("size"), try weight("attained"))
        if let node = file["full_age"] { weights.ageFull = try JobSpec.milliseconds(node, in: 1_000...31_536_000_000) }
        guard [weights.priority, weights.age, weights.share, weights.size, weights.attained].contains(where: { $0 != 0 }) else {
            throw node.fault(
                "Nothing has a weight here.", why: "priority, age, share, size and attained are all zero.",
                fix: "Give one of them a weight, or choose `policy: fifo`.")
        }
        return weights
    }

    private static func team(_ node: YAMLNode) throws(Fault) -> Team {
        let file = try node.mapping("a team")
        try file.refuseUnknown(known: ["weight", "quota"])
        var team = Team()
        if let node = file["weight"] {
            team.weight = try node.double()
            guard team.weight > 0, team.weight.isFinite else {
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
        let shares = teams.mapValues(\.weight)
        if let weights { return .weighted(weights, teams: shares) }
        let named = QueuePolicy.all.first { $0.name == policy } ?? .fair
        guard case .share = named.order else { return named }
        var weighed = named
        weighed.order = .share(weights: shares)
        return weighed
    }
}

/// When the scheduler gives elastic jobs more ranks.
public struct Elasticity: Codable, Equatable, Sendable {
    public var grows = true
    /// Milliseconds for which there must have been room, and for which the job must have run as it is. Each change of a job
    /// doubles this for it, up to 32 times: it is not to spend its time with starting.
    public var growAfter: Int64 = 60_000

    public init() {}

    init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("how elastic jobs change")
        try file.refuseUnknown(known: ["grow", "grow_after"])
        if let node = file["grow"] { grows = try node.bool() }
        if let node = file["grow_after"] { growAfter = try JobSpec.milliseconds(node, in: 1_000...86_400_000) }
    }
}
