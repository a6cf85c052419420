/// What a `training_job:` asks for.
public struct JobSpec: Codable, Equatable, Sendable {
    public struct Checkpointing: Codable, Equatable, Sendable {
        /// Milliseconds between checkpoints; 0 for none but the last.
        public var every: Int64 = 30_000
        public var keep = 3
        public init() {}
    }
    /// What carries the sums of gradients.
    public enum Wire: String, Codable, Sendable, CaseIterable { case auto, float32, bfloat16, int8 }
    public struct Output: Codable, Equatable, Sendable {
        /// `fraud-model@v12`
        public var register: String
        /// Relative to the working folder.
        public var path: String
        public init(register: String, path: String) { (self.register, self.path) = (register, path) }
    }

    public static let ranksMax = 1_024
    public static let failuresMax = 1_000
    public static let dataMax = 64

    public var name: String
    /// For `/bin/sh -c`.
    public var run: String
    /// Relative to the file; `.` is its folder.
    public var workdir = "."
    public var environment: [String: String] = [:]
    public var ranksMin = 1
    public var ranksMax = 1
    /// Of each rank.
    public var demand = Demand(cpus: JobSpec.cpusStandard)
    /// `any`: an accelerator where the cluster has some, CPUs where it has none.
    public var takesAnyAccelerator = false
    public var spread = Gang.Spread.pack
    /// 0 to 1 000.
    public var priority = JobSpec.Level.normal.rawValue
    public var isPreemptible = true
    public var team = ""
    /// How long it is expected to run, in milliseconds: what waiting jobs are told, and what backfill stands on.
    public var expected: Int64?
    /// Which nodes its ranks may be on; nil for any.
    public var nodes: NodeRule?
    /// How fast it is on kinds of accelerators, in a unit of its own: by model or resource.
    public var throughput: [String: Double]?
    public var checkpoint = Checkpointing()
    /// How many deaths of ranks it outlives.
    public var failuresMax = 3
    /// Milliseconds without a step after which its ranks are asked what they do (at least 20 of its usual steps).
    public var hangAfter: Int64 = 15_000
    public var wire = Wire.auto
    public var output: Output?
    /// What must start its Workers; nil for whatever the daemon has.
    public var engine: String?
    /// Files and folders that it trains on, relative to the working folder or absolute: their digest is part of the lineage.
    public var data: [String]?

    /// Words for priorities.
    public enum Level: Int, CaseIterable, Sendable {
        case low = 250
        case normal = 500
        case high = 750
        case urgent = 1_000
        public var word: String { "\(self)" }
    }

    /// Of a rank that says nothing: enough to be seated, little enough for a few on every core.
    public static let cpusStandard: Int64 = 250

    public init(name: String, run: String) { (self.name, self.run) = (name, run) }

    /// As the scheduler sees it on a cluster; `ranks` where a person has scaled it.
    public func gang(on kinds: [AcceleratorKind], ranks: ClosedRange<Int>? = nil) -> Gang {
        var each = demand
        if takesAnyAccelerator, !kinds.isEmpty { each.accelerators = [AcceleratorWish(.any)] }
        return Gang(ranks: ranks ?? ranksMin...ranksMax, each: each, spread: spread, nodes: nodes ?? .anywhere)
    }
}

/// A job as it was submitted: recorded with the entry that begins it.
public struct JobPlan: Codable, Equatable, Sendable {
    public var spec: JobSpec
    /// Where it works, absolute.
    public var directory: String
    /// Where everything of this attempt is kept: checkpoints, logs, what Workers are told.
    public var folder: String
    /// In order of submission, over all jobs.
    public var number: Int

    public init(spec: JobSpec, directory: String, folder: String, number: Int) {
        (self.spec, self.directory, self.folder, self.number) = (spec, directory, folder, number)
    }
}
