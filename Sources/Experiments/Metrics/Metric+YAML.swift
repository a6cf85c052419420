import Faults
import Routing
import YAML

extension ExperimentMetrics {
    init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("the metrics of an experiment")
        try file.refuseUnknown(known: ["primary", "guardrails", "secondary"])
        self.init(primary: try Metric(try file.required("primary"), role: .primary))
        if let node = file["guardrails"] {
            for item in try node.list() { guardrails.append(try Guardrail(item)) }
            try Self.refuseMore(than: Self.guardrailsMax, guardrails.count, "guardrails", node)
        }
        if let node = file["secondary"] {
            for item in try node.list() { secondary.append(try Metric(item, role: .secondary)) }
            try Self.refuseMore(than: Self.secondaryMax, secondary.count, "secondary metrics", node)
        }
        for (place, metric) in all.enumerated() {
            guard let other = all[..<place].first(where: { $0.name == metric.name && $0.window != metric.window }) else { continue }
            throw node.fault(
                "\(metric.name) has two windows",
                why:
                    "its events count for \(Quantity.text(.milliseconds(other.window))) here and for \(Quantity.text(.milliseconds(metric.window))) there",
                fix: "give both the same `window:`")
        }
        var seen: Set<Metric> = []
        for metric in all where !seen.insert(metric).inserted {
            throw node.fault(
                "\(metric.name) is measured twice in the same way",
                why: "alpha is divided over the metrics, and one of them would be lost",
                fix: "name it once")
        }
    }

    private static func refuseMore(than limit: Int, _ count: Int, _ what: String, _ node: YAMLNode) throws(Fault) {
        guard count > limit else { return }
        throw node.fault(
            "\(count) \(what) are too many", why: "at most \(limit) are watched", fix: "leave out what decides nothing")
    }
}

extension Metric {
    enum Role { case primary, guardrail, secondary }

    /// Exposures are kept for seven days: later feedback has nothing to be joined to.
    static let windowMax: Int64 = 7 * 86_400_000

    private static let keys = [
        "name", "type", "direction", "minimum_effect", "window", "quantile", "grain", "denominator", "covariate",
    ]

    init(_ node: YAMLNode, role: Role, more: [String] = []) throws(Fault) {
        let file = try node.mapping("a metric")
        try file.refuseUnknown(known: Self.keys + more)
        let nameNode = try file.required("name")
        let name = try Self.name(nameNode)
        let automatic = AutomaticMetric(rawValue: name)
        self.init(name: name, kind: automatic?.kinds.first ?? .mean, direction: automatic?.direction ?? .up)
        switch (file["type"], automatic) {
        case (let node?, _): kind = try node.word("a metric type")
        case (nil, .some): break
        case (nil, nil): _ = try file.required("type")
        }
        if let automatic, !automatic.kinds.contains(kind) {
            throw (file["type"] ?? node).fault(
                "\(name) cannot be read as \(kind.rawValue)",
                why: "the gateway measures it by itself, as \(automatic.kinds.map(\.rawValue).joined(separator: " or "))",
                fix: "write one of these, or give feedback of your own another name")
        }
        if let node = file["direction"] { direction = try node.word("a direction") }
        if let node = file["grain"] { grain = try node.word("what an observation belongs to") }
        if let node = file["window"] { window = try node.milliseconds(in: 1_000...Self.windowMax) }
        if let node = file["covariate"] {
            let name = try Self.name(node)
            try Covariate.check(name, of: self, at: node)
            covariate = name
        }
        try readEffect(file)
        try readQuantile(file)
        try readDenominator(file)
        guard role != .primary || minimumEffect != nil else {
            throw node.fault(
                "the primary metric has no minimum effect",
                why: "without the smallest difference that matters nothing says when there is none, nor how many units it takes",
                fix: "add for example `minimum_effect: 0.02` (two points of a share; else in the metric's own unit)")
        }
    }

    /// Names of feedback metrics, as they stand in events.
    private static func name(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw node.fault(
                "'\(text)' cannot be the name of a metric", why: "feedback names it: 1 to 64 printable characters without blanks",
                fix: "write it like resolved or revenue_usd")
        }
        return text
    }

    private mutating func readEffect(_ file: YAMLMapping) throws(Fault) {
        guard let node = file["minimum_effect"] else { return }
        if let text = try? node.string(), text.hasSuffix("%") {
            throw node.fault(
                "a minimum effect of \(text) can be read in two ways",
                why: "two percent of control's figure, or two points of a share",
                fix: "write it in the metric's own unit: 0.02 is two points of a share, 20 is 20 ms of a latency")
        }
        let effect = try node.positive()
        guard kind != .binary || effect < 1 else {
            throw node.fault(
                "a share cannot differ by \(effect)", why: "a binary metric's figure lies between 0 and 1",
                fix: "write two points as 0.02")
        }
        minimumEffect = effect
    }

    private mutating func readQuantile(_ file: YAMLMapping) throws(Fault) {
        guard kind == .quantile else {
            if let node = file["quantile"] {
                throw node.fault(
                    "a \(kind.rawValue) metric has no quantile", why: "it is not `type: quantile`", fix: "remove one of them")
            }
            return
        }
        quantile = 0.95
        guard let node = file["quantile"] else {
            if AutomaticMetric(rawValue: name) == nil { _ = try file.required("quantile") }
            return
        }
        let value = try node.double()
        guard value >= 0.01, value <= 0.999 else {
            throw node.fault(
                "\(value) is not a quantile that can be told", why: "it lies from 0.01 to 0.999", fix: "write 0.95 for p95")
        }
        quantile = value
    }

    private mutating func readDenominator(_ file: YAMLMapping) throws(Fault) {
        switch (kind == .ratio, file["denominator"]) {
        case (true, let node?): denominator = try Self.name(node)
        case (true, nil): _ = try file.required("denominator")
        case (false, let node?):
            throw node.fault(
                "a \(kind.rawValue) metric is divided by nothing", why: "only `type: ratio` is", fix: "remove one of them")
        case (false, nil): break
        }
    }
}

extension Guardrail {
    init(_ node: YAMLNode) throws(Fault) {
        var metric = try Metric(node, role: .guardrail, more: ["max_increase", "max_decrease"])
        let file = try node.mapping("a guardrail")
        let (limit, direction): (YAMLNode, Metric.Direction)
        switch (file["max_increase"], file["max_decrease"]) {
        case (let node?, nil): (limit, direction) = (node, .down)
        case (nil, let node?): (limit, direction) = (node, .up)
        case (nil, nil), (_?, _?):
            throw node.fault(
                "guardrail \(metric.name) must have one of `max_increase` and `max_decrease`",
                why: "it says how much worse than control's figure is too much", fix: "write for example `max_increase: 10%`")
        }
        if file["direction"] != nil, metric.direction != direction {
            throw limit.fault(
                "guardrail \(metric.name) is turned round",
                why: "`direction` says which way is better, and the limit is on that side",
                fix: "leave `direction` out: the limit says it already")
        }
        metric.direction = direction
        let harm = try limit.fraction()
        guard harm > 0 else {
            throw limit.fault(
                "a harm of 0 % is never ruled out", why: "two figures that are measured are never known to be equal",
                fix: "write how much is still harmless, such as 5%")
        }
        self.init(metric: metric, maximumHarm: harm)
    }
}
