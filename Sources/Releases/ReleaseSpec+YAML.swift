public import Faults
import Registry
import Routing
public import YAML

extension ReleaseSpec {
    /// Reads the value of a `release_pipeline:` key. Strict: an unknown key, stage or option is refused with its line.
    public init(_ node: YAMLNode) throws(Fault) {
        let pipeline = try node.mapping("release_pipeline")
        try pipeline.refuseUnknown(known: ["name", "stages", "gates", "rollback"])
        let nameNode = try pipeline.required("name")
        (name, line) = (try nameNode.string(), nameNode.line)
        version = try VersionID(releaseName: name, at: nameNode)
        stages = try Self.stages(try pipeline.required("stages"))
        gates = if let node = pipeline["gates"] { try Gate.gates(node) } else { [] }
        rollback = if let node = pipeline["rollback"] { try Rollback(node) } else { Rollback() }
    }

    private static func stages(_ node: YAMLNode) throws(Fault) -> [Stage] {
        var stages: [Stage] = []
        for item in try node.list() {
            let stage = try Stage(item)
            if let last = stages.last, stage.name <= last.name {
                throw item.fault(
                    "\(stage.name.rawValue) cannot follow \(last.name.rawValue)",
                    why: "a pipeline may leave stages out, but each runs once and in this order: "
                        + StageName.allCases.map(\.rawValue).joined(separator: ", "),
                    fix: stage.name == last.name ? "name it once" : "move it before \(last.name.rawValue)")
            }
            stages.append(stage)
        }
        guard !stages.isEmpty else {
            throw node.fault(
                "the pipeline names no stage", why: "there is nothing to conduct",
                fix: "name at least one of " + StageName.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return stages
    }
}

extension VersionID {
    /// `fraud-model-v12` is version v12 of fraud-model: the name splits at its last hyphen.
    init(releaseName name: String, at node: YAMLNode) throws(Fault) {
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard allowed, name.utf8.count <= 128, let hyphen = name.lastIndex(of: "-"), hyphen != name.startIndex,
            name.index(after: hyphen) != name.endIndex
        else {
            throw node.fault(
                "\"\(name)\" does not name a version of a model",
                why: "a release is named MODEL-VERSION (letters, digits, . _ -; at most 128) and split at the last hyphen",
                fix: "write it as in \"fraud-model-v12\"")
        }
        self.init(model: String(name[..<hyphen]), version: String(name[name.index(after: hyphen)...]))
    }
}

extension ReleaseSpec.Stage {
    /// A bare word, or a mapping of one word to its options.
    init(_ node: YAMLNode) throws(Fault) {
        switch node.content {
        case .scalar(let word, _):
            self.init(try Self.name(word, at: node))
        case .mapping(let entries) where entries.count == 1:
            try self.init(try Self.name(entries[0].key, at: node), options: entries[0].value)
        case .mapping, .sequence:
            throw node.fault(
                "a stage is one word or one mapping",
                why: "each item of `stages:` is a stage's name, or the name with its options",
                fix: "write `- smoke_test` or `- canary_deploy: { hold: 20s }`")
        }
    }

    private static func name(_ word: String, at node: YAMLNode) throws(Fault) -> ReleaseSpec.StageName {
        if let name = ReleaseSpec.StageName(rawValue: word) { return name }
        throw node.fault(
            "\(word) is not a stage",
            why: "the stages are " + ReleaseSpec.StageName.allCases.map(\.rawValue).joined(separator: ", "),
            fix: didYouMean(word, among: ReleaseSpec.StageName.allCases.map(\.rawValue)) ?? "name one of them")
    }

    private init(_ name: ReleaseSpec.StageName) {
        self =
            switch name {
            case .buildArtifact: .buildArtifact
            case .smokeTest: .smokeTest
            case .canaryDeploy: .canaryDeploy(options: CanaryOptions())
            case .monitorMetrics: .monitorMetrics(options: MonitorOptions())
            case .promoteOrRollback: .promoteOrRollback(options: PromoteOptions())
            }
    }

    private init(_ name: ReleaseSpec.StageName, options node: YAMLNode) throws(Fault) {
        if case .scalar("", quoted: false) = node.content {  // `- smoke_test:` with nothing after the colon
            self.init(name)
            return
        }
        switch name {
        case .buildArtifact:
            try node.mapping(name.rawValue).refuseUnknown(known: [])
            self = .buildArtifact
        case .smokeTest:
            try node.mapping(name.rawValue).refuseUnknown(known: [])
            self = .smokeTest
        case .canaryDeploy: self = .canaryDeploy(options: try CanaryOptions(node))
        case .monitorMetrics: self = .monitorMetrics(options: try MonitorOptions(node))
        case .promoteOrRollback: self = .promoteOrRollback(options: try PromoteOptions(node))
        }
    }
}

extension CanaryOptions {
    static let stepsMax = 20

    /// `min_samples` and `hold` are one value for every step, or a list with one value for each.
    init(_ node: YAMLNode) throws(Fault) {
        let options = try node.mapping("canary_deploy")
        try options.refuseUnknown(known: ["steps", "min_samples", "hold"])
        let shares = if let steps = options["steps"] { try Self.shares(steps) } else { Self.sharesByDefault }
        let samples = try Self.perStep(options["min_samples"], steps: shares.count, or: Self.samplesByDefault) {
            (node: YAMLNode) throws(Fault) in Int64(try node.integer(in: 0...1_000_000_000))
        }
        let holds = try Self.perStep(options["hold"], steps: shares.count, or: Self.holdByDefault) {
            (node: YAMLNode) throws(Fault) in try node.milliseconds()
        }
        steps = shares.indices.map { Step(share: shares[$0], samplesMin: samples[$0], hold: holds[$0]) }
    }

    private static func shares(_ node: YAMLNode) throws(Fault) -> [Int] {
        var shares: [Int] = []
        for item in try node.list() {
            let text = try item.string()
            guard let fraction = Quantity.percentage(text), fraction <= 1, fraction >= 0.0001 else {
                throw item.fault(
                    "\(text) is not a share", why: "a step is a percentage from 0.01% to 100%, with its sign",
                    fix: "write for example 5%")
            }
            let share = Int((fraction * 10_000).rounded())
            if let last = shares.last, share <= last {
                throw item.fault(
                    "the steps do not rise", why: "\(text) follows \(Share.text(last)); each step gives the candidate more traffic",
                    fix: "write them in rising order, each once")
            }
            shares.append(share)
        }
        guard (1...stepsMax).contains(shares.count) else {
            throw node.fault(
                "a canary has 1 to \(stepsMax) steps", why: "there are \(shares.count)", fix: "write for example [1%, 10%, 100%]")
        }
        return shares
    }

    private static func perStep<T>(
        _ node: YAMLNode?, steps: Int, or standard: T, read: (YAMLNode) throws(Fault) -> T
    ) throws(Fault) -> [T] {
        guard let node else { return Array(repeating: standard, count: steps) }
        guard case .sequence(let items) = node.content else { return Array(repeating: try read(node), count: steps) }
        guard items.count == steps else {
            throw node.fault(
                "this list has \(items.count) values for \(steps) steps", why: "each step needs its own",
                fix: "write one value for all steps, or \(steps) values")
        }
        var values: [T] = []
        for item in items { values.append(try read(item)) }
        return values
    }
}

extension MonitorOptions {
    init(_ node: YAMLNode) throws(Fault) {
        let options = try node.mapping("monitor_metrics")
        try options.refuseUnknown(known: ["for", "deadline", "on_undecided", "metric_timeout"])
        if let node = options["for"] { lookFor = try node.milliseconds() }
        if let node = options["deadline"] { deadline = try node.milliseconds() }
        if let node = options["metric_timeout"] { metricTimeout = try node.milliseconds() }
        if let node = options["on_undecided"] { onUndecided = try node.choice("on_undecided") }
        guard deadline > 0, deadline >= lookFor else {
            throw (options["deadline"] ?? node).fault(
                "the deadline comes before the look is over",
                why: "deadline is \(seconds(deadline)), and the gates look for \(seconds(lookFor)) at least",
                fix: "set deadline to more than the canary's holds and `for:` together")
        }
    }
}

extension PromoteOptions {
    init(_ node: YAMLNode) throws(Fault) {
        let options = try node.mapping("promote_or_rollback")
        try options.refuseUnknown(known: ["bake", "scale_down_delay"])
        if let node = options["bake"] { bake = try node.milliseconds() }
        if let node = options["scale_down_delay"] { scaleDownDelay = try node.milliseconds() }
    }
}

extension ReleaseSpec.Rollback {
    init(_ node: YAMLNode) throws(Fault) {
        let rollback = try node.mapping("rollback")
        try rollback.refuseUnknown(known: ["strategy", "previous_version"])
        line = node.line
        if let node = rollback["strategy"] { strategy = try node.choice("strategy") }
        if let node = rollback["previous_version"] {
            previousVersion = try node.string()
            line = node.line
        }
    }
}

extension YAMLNode {
    /// A duration of at most 30 days, in milliseconds.
    fileprivate func milliseconds() throws(Fault) -> Int64 {
        let value = try duration()
        guard value <= .seconds(30 * 86_400) else {
            throw fault("this takes longer than 30 days", why: "no stage of a release may", fix: "write a shorter time")
        }
        return value.components.seconds * 1_000 + value.components.attoseconds / 1_000_000_000_000_000
    }

    /// One word of a closed list.
    fileprivate func choice<T: RawRepresentable & CaseIterable>(_ key: String) throws(Fault) -> T where T.RawValue == String {
        let word = try string()
        if let value = T(rawValue: word) { return value }
        let known = T.allCases.map(\.rawValue)
        throw fault(
            "\(word) is not a value of \(key)", why: "it is one of: " + known.joined(separator: ", "),
            fix: didYouMean(word, among: known) ?? "write \(known[0])")
    }
}

private func didYouMean(_ word: String, among known: [String]) -> String? {
    Suggestion.closest(to: word, among: known).map { "did you mean \($0)?" }
}

private func seconds(_ milliseconds: Int64) -> String { Quantity.text(.milliseconds(milliseconds)) }
