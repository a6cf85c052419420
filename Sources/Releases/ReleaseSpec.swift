public import Registry

/// A `release_pipeline:` resource as the user wrote it.
///
/// ```yaml
/// release_pipeline:
///   name: "fraud-model-v12"
///   stages: [build_artifact, smoke_test, canary_deploy, monitor_metrics, promote_or_rollback]
///   gates: { max_p95_latency_ms: 250, max_error_rate: 0.5 }
///   rollback: { strategy: immediate, previous_version: v11 }
/// ```
public struct ReleaseSpec: Sendable, Equatable, Codable {
    public var name: String
    /// The name split at its last hyphen.
    public var version: VersionID
    /// In the order they run; each at most once.
    public var stages: [Stage]
    public var gates: [Gate]
    public var rollback: Rollback
    /// Where its name stands in the file.
    public var line = 0

    /// The stages a pipeline may name, in the only order they can run in.
    public enum StageName: String, Sendable, Codable, CaseIterable, Comparable {
        case buildArtifact = "build_artifact"
        case smokeTest = "smoke_test"
        case canaryDeploy = "canary_deploy"
        case monitorMetrics = "monitor_metrics"
        case promoteOrRollback = "promote_or_rollback"

        var place: Int { Self.allCases.firstIndex(of: self)! }
        public static func < (a: StageName, b: StageName) -> Bool { a.place < b.place }
    }

    /// A stage with its options; a bare word has the defaults.
    public enum Stage: Sendable, Equatable, Codable {
        case buildArtifact
        case smokeTest
        case canaryDeploy(options: CanaryOptions)
        case monitorMetrics(options: MonitorOptions)
        case promoteOrRollback(options: PromoteOptions)

        public var name: StageName {
            switch self {
            case .buildArtifact: .buildArtifact
            case .smokeTest: .smokeTest
            case .canaryDeploy: .canaryDeploy
            case .monitorMetrics: .monitorMetrics
            case .promoteOrRollback: .promoteOrRollback
            }
        }
    }

    /// How traffic comes back. `immediate`: all of it, at once, in one routing table.
    public struct Rollback: Sendable, Equatable, Codable {
        public enum Strategy: String, Sendable, Codable, CaseIterable { case immediate }
        public var strategy: Strategy = .immediate
        /// Where it goes back to; the route's stable version when none is named.
        public var previousVersion: String?
        public var line = 0
    }
}

/// `canary_deploy: { steps: [1%, 5%, 25%, 50%, 100%], min_samples: 50, hold: 30s }`. Milliseconds and basis points.
public struct CanaryOptions: Sendable, Equatable, Codable {
    public struct Step: Sendable, Equatable, Codable {
        /// The candidate's share in basis points.
        public var share: Int
        /// Requests the candidate must have answered within this step before the next one.
        public var samplesMin: Int64
        /// How long the share stays at least, from the moment every loop serves it.
        public var hold: Int64
    }
    public var steps: [Step]

    public static let sharesByDefault = [100, 500, 2_500, 5_000, 10_000]
    public static let samplesByDefault: Int64 = 50
    public static let holdByDefault: Int64 = 30_000

    public init() {
        steps = Self.sharesByDefault.map { Step(share: $0, samplesMin: Self.samplesByDefault, hold: Self.holdByDefault) }
    }
}

/// `monitor_metrics: { for: 1m, deadline: 30m, on_undecided: rollback, metric_timeout: 5m }`. Milliseconds.
///
/// The gates look from the canary's first step on; this stage says how long they must, and may, go on looking.
public struct MonitorOptions: Sendable, Equatable, Codable {
    /// What follows when the deadline passes and a required gate is still undecided. No data is neither pass nor fail.
    public enum OnUndecided: String, Sendable, Codable, CaseIterable { case extend, rollback, ask }

    /// How long the gates look at the last share at least.
    public var lookFor: Int64 = 60_000
    /// How long the watch may take as a whole, from the canary's first step; time spent paused does not count.
    public var deadline: Int64 = 3_600_000
    public var onUndecided = OnUndecided.rollback
    /// After how long without a label, while requests go on, a metric that used to arrive counts as broken.
    public var metricTimeout: Int64 = 300_000

    /// How often `extend` prolongs the watch by one more deadline before it asks.
    public static let extensionsMax = 8
    public init() {}
}

/// `promote_or_rollback: { bake: 10m, scale_down_delay: 30s }`. Milliseconds.
public struct PromoteOptions: Sendable, Equatable, Codable {
    /// How long the gates keep watching after promotion.
    public var bake: Int64 = 600_000
    /// How long a server that answers nothing any more stays up, so that going back to it stays instant.
    public var scaleDownDelay: Int64 = 30_000
    public init() {}
}

extension ReleaseSpec {
    public func names(_ stage: StageName) -> Bool { stages.contains { $0.name == stage } }

    /// The options of a stage, or its defaults where the pipeline does not name it.
    public var canary: CanaryOptions {
        for case .canaryDeploy(let options) in stages { return options }
        return CanaryOptions()
    }
    public var monitor: MonitorOptions {
        for case .monitorMetrics(let options) in stages { return options }
        return MonitorOptions()
    }
    public var promote: PromoteOptions {
        for case .promoteOrRollback(let options) in stages { return options }
        return PromoteOptions()
    }
}

extension ReleaseSpec {
    /// The same content, wherever its lines stand.
    public func isSame(as other: ReleaseSpec) -> Bool { withoutLines == other.withoutLines }

    private var withoutLines: ReleaseSpec {
        var spec = self
        (spec.line, spec.rollback.line) = (0, 0)
        for index in spec.gates.indices { spec.gates[index].line = 0 }
        return spec
    }
}
