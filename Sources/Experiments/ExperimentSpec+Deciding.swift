import Faults
import JSON
import Routing
import YAML

extension Decision {
    static let durationMax: Int64 = 365 * 86_400_000

    init(_ node: YAMLNode) throws(Fault) {
        self.init()
        let file = try node.mapping("how an experiment is decided")
        try file.refuseUnknown(known: ["alpha", "power", "auto", "max_duration", "min_duration", "release"])
        if let node = file["alpha"] { alpha = try Self.chance(node, in: 0.0001...0.2, "alpha", usual: "0.05") }
        if let node = file["power"] { power = try Self.chance(node, in: 0.5...0.999, "power", usual: "0.8") }
        if let node = file["auto"] { auto = try node.word("what may follow") }
        if let node = file["max_duration"] { maxDuration = try node.milliseconds(in: 1_000...Self.durationMax) }
        if let node = file["min_duration"] { minDuration = try node.milliseconds(in: 0...Self.durationMax) }
        if let node = file["release"] {
            try node.mapping("a winner's release").refuseUnknown(known: ["stages", "gates", "rollback"])
            release = node.json
        }
        guard minDuration <= maxDuration else {
            throw (file["min_duration"] ?? node).fault(
                "it would end before it may decide",
                why:
                    "min_duration is \(Quantity.text(.milliseconds(minDuration))), max_duration \(Quantity.text(.milliseconds(maxDuration)))",
                fix: "make max_duration longer")
        }
    }

    private static func chance(_ node: YAMLNode, in range: ClosedRange<Double>, _ what: String, usual: String) throws(Fault)
        -> Double
    {
        let value = try node.fraction()
        guard range.contains(value) else {
            throw node.fault(
                "\(value) is not a usable \(what)", why: "it lies from \(range.lowerBound) to \(range.upperBound)",
                fix: "\(usual) is usual")
        }
        return value
    }
}

extension ExperimentSpec.Targeting {
    private static let keys = ["namespace", "coverage", "ramp", "condition", "attributes", "overrides", "hashing", "seed"]
    static let rampMax = 16

    init(_ node: YAMLNode, variants: [String]) throws(Fault) {
        self.init()
        let file = try node.mapping("whom an experiment takes")
        try file.refuseUnknown(known: Self.keys)
        if let node = file["namespace"] { namespace = try Namespace(node) }
        try readRamp(file)
        if let node = file["attributes"] { attributes = try Self.attributes(node) }
        if let node = file["condition"] { condition = try Self.condition(node) }
        if condition != nil, attributes.isEmpty {
            throw (file["condition"] ?? node).fault(
                "the condition has nothing to look at", why: "no attribute says where it comes from",
                fix: "declare `attributes:`, such as `country: \"header:X-Country\"`")
        }
        if let node = file["overrides"] { overrides = try Self.overrides(node, variants: variants) }
        if let node = file["hashing"] { hashing = try node.word("a hash") }
        if let node = file["seed"] { seed = try node.string() }
    }

    /// `coverage: 20%`, or `ramp: [{ coverage: 1%, hold: 10m }, { coverage: 100% }]`.
    private mutating func readRamp(_ file: YAMLMapping) throws(Fault) {
        switch (file["coverage"], file["ramp"]) {
        case (nil, nil): break
        case (let node?, nil): ramp = [.init(coverage: try Self.coverage(node), hold: nil)]
        case (nil, let node?): ramp = try Self.ramp(node)
        case (_?, let node?):
            throw node.fault(
                "both `coverage` and `ramp` say how many take part", why: "a ramp's last step is the coverage",
                fix: "keep one of them")
        }
    }

    private static func coverage(_ node: YAMLNode) throws(Fault) -> Int {
        let points = try Share.basisPoints(node)
        guard points > 0 else {
            throw node.fault("nobody takes part", why: "the coverage is 0 %", fix: "write how many units shall, such as 10%")
        }
        return points
    }

    private static func ramp(_ node: YAMLNode) throws(Fault) -> [RampStep] {
        let items = try node.list()
        var steps: [RampStep] = []
        for (place, item) in items.enumerated() {
            let file = try item.mapping("a step of a ramp")
            try file.refuseUnknown(known: ["coverage", "hold"])
            let coverage = try coverage(try file.required("coverage"))
            if let last = steps.last, coverage <= last.coverage {
                throw item.fault(
                    "the ramp does not rise", why: "\(Share.text(coverage)) follows \(Share.text(last.coverage))",
                    fix: "write the steps in rising order")
            }
            let isLast = place == items.count - 1
            guard isLast == (file["hold"] == nil) else {
                throw item.fault(
                    isLast ? "the last step is not left" : "a step has no `hold`",
                    why: "every step but the last says how long it stays",
                    fix: isLast ? "remove `hold`" : "add for example `hold: 10m`")
            }
            steps.append(.init(coverage: coverage, hold: try file["hold"]?.milliseconds(in: 1_000...Decision.durationMax)))
        }
        guard (1...rampMax).contains(steps.count) else {
            throw node.fault(
                "a ramp has 1 to \(rampMax) steps", why: "there are \(steps.count)", fix: "write for example 1%, 10%, 100%")
        }
        return steps
    }

    private static func attributes(_ node: YAMLNode) throws(Fault) -> [String: String] {
        var attributes: [String: String] = [:]
        for entry in try node.mapping("the attributes of a unit").entries {
            let text = try entry.value.string()
            let isToken = text.hasPrefix("token:") && text.utf8.count > 6
            guard isToken || (UnitSource(text).map { $0 != .clientAddress } ?? false) else {
                throw entry.value.fault(
                    "'\(text)' is not where an attribute can come from", why: "it is read off the request",
                    fix: "write header:NAME, cookie:NAME, json:/POINTER or token:NAME")
            }
            attributes[entry.key] = text
        }
        guard attributes.count <= ExperimentSpec.attributesMax else {
            throw node.fault(
                "\(attributes.count) attributes are too many",
                why: "each is read off every request: \(ExperimentSpec.attributesMax) at most",
                fix: "name those the condition uses")
        }
        return attributes
    }

    private static func condition(_ node: YAMLNode) throws(Fault) -> JSONValue {
        let json = node.json
        guard json.objectValue != nil else {
            throw node.fault(
                "a condition is a mapping", why: "it names attributes and what they must be",
                fix: "write it like { country: { $in: [DE, AT] } }")
        }
        return json
    }

    private static func overrides(_ node: YAMLNode, variants: [String]) throws(Fault) -> [String: String] {
        var overrides: [String: String] = [:]
        for entry in try node.mapping("the overrides of an experiment").entries {
            let variant = try entry.value.string()
            guard variants.contains(variant) else {
                throw entry.value.fault(
                    "'\(variant)' is not a variant", why: "the variants are \(variants.joined(separator: ", "))",
                    fix: didYouMean(variant, among: variants) ?? "name one of them")
            }
            overrides[entry.key] = variant
        }
        guard overrides.count <= ExperimentSpec.overridesMax else {
            throw node.fault(
                "\(overrides.count) overrides are too many", why: "they are for testers: \(ExperimentSpec.overridesMax) at most",
                fix: "use a condition for a group of users")
        }
        return overrides
    }
}

extension ExperimentSpec.Targeting.Namespace {
    /// `{ name: chat, range: [0%, 50%] }`
    init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("a namespace")
        try file.refuseUnknown(known: ["name", "range"])
        let nameNode = try file.required("name")
        name = try nameNode.string()
        let range = try file.required("range")
        let ends = try range.list()
        guard ends.count == 2 else {
            throw range.fault("a range has two ends", why: "this has \(ends.count)", fix: "write it like [0%, 50%]")
        }
        (lower, upper) = (try Share.basisPoints(ends[0]), try Share.basisPoints(ends[1]))
        guard lower < upper else {
            throw range.fault("the range is empty", why: "it begins at or after its end", fix: "write it like [0%, 50%]")
        }
    }
}
