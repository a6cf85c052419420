public import Faults
import JSON
import Registry
import Routing
public import YAML

extension ExperimentSpec {
    private static let keys = [
        "name", "route", "unit", "variants", "control", "allocation", "targeting", "metrics", "decision", "budget",
    ]

    /// Reads the value of an `experiment:` key. Strict: an unknown key, metric type or strategy is refused with its line.
    public init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("an experiment")
        try file.refuseUnknown(known: Self.keys)
        let nameNode = try file.required("name")
        (name, line) = (try Self.name(nameNode, of: "an experiment"), nameNode.line)
        route = try Self.name(try file.required("route"), of: "a route")
        unit = nil
        if let node = file["unit"] { unit = try UnitSource(node) }
        variants = try Self.variants(try file.required("variants"))
        try Self.moveControlFirst(&variants, file["control"], file.node)
        allocation = Allocation()
        features = []
        if let node = file["allocation"] { (allocation, features) = try Self.allocation(node, variants: variants.count) }
        targeting = Targeting()
        if let node = file["targeting"] { targeting = try Targeting(node, variants: variants.map(\.name)) }
        metrics = try ExperimentMetrics(try file.required("metrics"))
        decision = Decision()
        if let node = file["decision"] { decision = try Decision(node) }
        if let node = file["budget"] { budget = try Budget(.experiment, node) }
    }

    private static func name(_ node: YAMLNode, of what: String) throws(Fault) -> String {
        let text = try node.string()
        guard RouteSpec.isName(text) else { throw badName(text, of: what, at: node) }
        return text
    }

    private static func badName(_ text: String, of what: String, at node: YAMLNode) -> Fault {
        node.fault(
            "'\(text)' cannot be the name of \(what)", why: "names stand in headers, labels and commands",
            fix: "use 1 to 64 letters, digits, '.', '-' and '_', beginning with a letter, a digit or '_'")
    }

    // MARK: Variants

    private static func variants(_ node: YAMLNode) throws(Fault) -> [VariantSpec] {
        let entries = try node.mapping("the variants of an experiment").entries
        guard (2...variantsMax).contains(entries.count) else {
            throw node.fault(
                "an experiment cannot have \(entries.count) variant\(entries.count == 1 ? "" : "s")",
                why: "something is compared with something else: it needs 2 to \(variantsMax)",
                fix: "write a control and what is tried, each with its share")
        }
        var variants: [VariantSpec] = []
        let areEqual = entries.allSatisfy { entry in
            if case .mapping(let members) = entry.value.content { !members.contains { $0.key == "share" } } else { false }
        }
        for (place, entry) in entries.enumerated() {
            guard RouteSpec.isName(entry.key) else { throw badName(entry.key, of: "a variant", at: entry.value) }
            let equal = areEqual ? equalShare(of: place, among: entries.count) : nil
            variants.append(try VariantSpec(entry.key, entry.value, equalShare: equal))
        }
        let sum = variants.map(\.basisPoints).reduce(0, +)
        guard sum == TrafficSplit.bucketCount else {
            let listed = variants.map { "\($0.name) \(Share.text($0.basisPoints))" }.joined(separator: ", ")
            throw node.fault(
                "the shares of the variants sum to \(Share.text(sum))",
                why:
                    "every unit of the experiment gets exactly one variant (\(listed)); `targeting: { coverage }` says how many take part",
                fix: "change `share:` so that they sum to 100 %, or leave it out everywhere for equal shares")
        }
        return variants
    }

    /// Equal shares; what does not divide goes to the first.
    private static func equalShare(of place: Int, among count: Int) -> Int {
        TrafficSplit.bucketCount / count + (place < TrafficSplit.bucketCount % count ? 1 : 0)
    }

    /// Everything is compared with the control: the variant that `control:` names, or the one of that name, or the first.
    private static func moveControlFirst(_ variants: inout [VariantSpec], _ node: YAMLNode?, _ file: YAMLNode) throws(Fault) {
        var place = variants.firstIndex { $0.name == "control" } ?? 0
        if let node {
            let text = try node.string()
            guard let named = variants.firstIndex(where: { $0.name == text }) else {
                throw node.fault(
                    "'\(text)' is not a variant", why: "the variants are \(variants.map(\.name).joined(separator: ", "))",
                    fix: didYouMean(text, among: variants.map(\.name)) ?? "name the one that the others are compared with")
            }
            place = named
        }
        variants.insert(variants.remove(at: place), at: 0)
    }

    // MARK: Allocation

    private static let allocationKeys = [
        "strategy", "floor", "warm_up", "reweight_every", "discount", "epsilon", "exploration", "sticky", "features",
    ]

    private static func allocation(_ node: YAMLNode, variants: Int) throws(Fault) -> (Allocation, [FeatureSpec]) {
        let file = try node.mapping("an allocation")
        try file.refuseUnknown(known: allocationKeys)
        var allocation = Allocation(floor: Allocation.usualFloor(of: variants))
        if let node = file["strategy"] { allocation.strategy = try node.word("a strategy") }
        try refuseIdle(file, allocation.strategy)
        if let node = file["floor"] { allocation.floor = try floor(node, variants: variants) }
        if let node = file["warm_up"] { allocation.warmUp = try node.integer(in: 0...1_000_000) }
        if let node = file["reweight_every"] { allocation.reweightEvery = try node.milliseconds(in: 100...86_400_000) }
        if let node = file["discount"] { allocation.discount = try node.milliseconds(in: 1_000...31_536_000_000) }
        if let node = file["epsilon"] { allocation.epsilon = try node.fraction() }
        if let node = file["exploration"] { allocation.exploration = try node.positive() }
        if let node = file["sticky"] { allocation.stickiness = try node.word("whom to keep") }
        var features: [FeatureSpec] = []
        if let node = file["features"] { features = try self.features(node, variants: variants) }
        guard allocation.strategy.isContextual == !features.isEmpty else {
            throw (file["features"] ?? node).fault(
                features.isEmpty
                    ? "\(allocation.strategy.rawValue) sees nothing of a request"
                    : "\(allocation.strategy.rawValue) does not look at features",
                why: "linucb and lints choose by declared features, the others by outcomes alone",
                fix: features.isEmpty
                    ? "declare `features:`, such as `premium: { from: \"header:X-Plan\", categories: [free, premium] }`"
                    : "remove `features:`, or choose linucb or lints")
        }
        return (allocation, features)
    }

    /// An option that the strategy does not look at would be a mistake that nobody sees.
    private static func refuseIdle(_ file: YAMLMapping, _ strategy: Allocation.Strategy) throws(Fault) {
        var idle: [String] = []
        if !strategy.isAdaptive { idle += ["floor", "warm_up", "reweight_every", "discount"] }
        if strategy != .epsilonGreedy { idle.append("epsilon") }
        if !strategy.isContextual { idle.append("exploration") }
        guard let entry = file.entries.first(where: { idle.contains($0.key) }) else { return }
        throw entry.value.fault(
            "`\(entry.key)` says nothing to \(strategy.rawValue)", why: "this strategy has no such option",
            fix: "remove it, or choose another strategy")
    }

    private static func floor(_ node: YAMLNode, variants: Int) throws(Fault) -> Int {
        let floor = try Share.basisPoints(node)
        guard floor >= 1, floor * variants <= TrafficSplit.bucketCount else {
            throw node.fault(
                "a floor of \(Share.text(floor)) cannot be kept",
                why: "\(variants) variants with that much each take \(Share.text(floor * variants)), and none may get nothing",
                fix: "choose from 0.01% to \(Share.text(TrafficSplit.bucketCount / variants))")
        }
        return floor
    }

    private static func features(_ node: YAMLNode, variants: Int) throws(Fault) -> [FeatureSpec] {
        var features: [FeatureSpec] = []
        for entry in try node.mapping("the features of a request").entries {
            guard RouteSpec.isName(entry.key) else { throw badName(entry.key, of: "a feature", at: entry.value) }
            let file = try entry.value.mapping("feature '\(entry.key)'")
            try file.refuseUnknown(known: ["from", "scale", "categories"])
            let source = try file.required("from")
            let from = try source.string()
            guard from == "history" || (UnitSource(from).map { $0 != .clientAddress } ?? false) else {
                throw source.fault(
                    "'\(from)' is not where a feature can come from", why: "a feature is read off the request",
                    fix: "write header:NAME, cookie:NAME, json:/POINTER or history")
            }
            var feature = FeatureSpec(name: entry.key, from: from, scale: 1, categories: [])
            if let node = file["scale"] { feature.scale = try node.positive() }
            if let node = file["categories"] { feature.categories = try categories(node) }
            if from == "history", let node = file["scale"] ?? file["categories"] {
                throw node.fault(
                    "a history has no scale and no categories", why: "it is two numbers for each variant, of one size already",
                    fix: "write `\(entry.key): { from: history }`")
            }
            features.append(feature)
        }
        let width = features.reduce(1) { $0 + ($1.from == "history" ? 2 * variants : max(1, $1.categories.count)) }
        guard !features.isEmpty, width <= featureWidthMax else {
            throw node.fault(
                "\(width - 1) features cannot be used",
                why: "1 to \(featureWidthMax - 1), counting each category, and a history twice for each variant",
                fix: "name fewer")
        }
        return features
    }
    /// Numbers a contextual choice looks at, with its intercept.
    static let featureWidthMax = 64

    private static func categories(_ node: YAMLNode) throws(Fault) -> [String] {
        var words: [String] = []
        for item in try node.list() { words.append(try item.string()) }
        guard words.count >= 2, Set(words).count == words.count else {
            throw node.fault(
                "categories are two words or more, each once", why: "a feature that never differs says nothing", fix: "list them")
        }
        return words
    }
}

extension ExperimentSpec.VariantSpec {
    fileprivate init(_ name: String, _ node: YAMLNode, equalShare: Int?) throws(Fault) {
        let file = try node.mapping("variant '\(name)'")
        try file.refuseUnknown(known: ["prompt", "version", "url", "share", "rewrite", "value", "offline_score"])
        let sources = ["prompt", "version", "url"].filter { file[$0] != nil }
        guard sources.count == 1, let source = file[sources[0]] else {
            throw node.fault(
                "variant '\(name)' must have one of `prompt`, `version` and `url`",
                why: sources.isEmpty ? "nothing says what it answers with" : "it has \(sources.joined(separator: " and "))",
                fix: "write `prompt: support@v4`, `version: model@v2` or `url: \"http://127.0.0.1:9001/\"`")
        }
        let text = try source.string()
        let serving: Serving
        switch sources[0] {
        case "prompt":
            try Self.check(version: text, source)
            serving = .prompt(version: text)
        case "version":
            try Self.check(version: text, source)
            serving = .version(name: text)
        default:
            do {
                _ = try UpstreamURL(text)
            } catch { throw source.fault("'\(text)' cannot be a variant's url", why: error.why, fix: error.fix) }
            serving = .url(text: text)
        }
        let share: Int
        switch (file["share"], equalShare) {
        case (let node?, _): share = try Share.basisPoints(node)
        case (nil, let equal?): share = equal
        case (nil, nil):
            throw node.fault(
                "variant '\(name)' has no share", why: "the others have one",
                fix: "add `share: 50%` (0% is allowed), or leave it out everywhere for equal shares")
        }
        self.init(name: name, serving: serving, basisPoints: share)
        if let node = file["rewrite"] { rewrite = try Rewrite(node) }
        value = file["value"]?.json
        offlineScore = try file["offline_score"]?.double()
    }

    private static func check(version text: String, _ node: YAMLNode) throws(Fault) {
        guard VersionID(text) != nil else {
            throw node.fault(
                "'\(text)' is not a version", why: "a version is named by its prompt or model and its own name",
                fix: "write it as `name@version`, such as `support@v4`")
        }
    }
}

extension YAMLNode {
    /// One of the words of a closed list.
    func word<Word: RawRepresentable & CaseIterable>(_ what: String) throws(Fault) -> Word where Word.RawValue == String {
        let text = try string()
        if let word = Word(rawValue: text) { return word }
        let known = Word.allCases.map(\.rawValue)
        throw fault(
            "\(text) is not \(what)", why: "there are \(known.joined(separator: ", "))",
            fix: didYouMean(text, among: known) ?? "choose one of them")
    }

    func milliseconds(in range: ClosedRange<Int64>) throws(Fault) -> Int64 {
        let value = Int64(try duration() / .milliseconds(1))
        guard range.contains(value) else {
            throw fault(
                "this time cannot be kept",
                why:
                    "it is from \(Quantity.text(.milliseconds(range.lowerBound))) to \(Quantity.text(.milliseconds(range.upperBound)))",
                fix: "choose one in that range")
        }
        return value
    }

    func positive() throws(Fault) -> Double {
        let value = try double()
        guard value > 0 else {
            throw fault("\(value) is not over zero", why: "nothing follows from it", fix: "write a number over 0")
        }
        return value
    }
}

func didYouMean(_ typed: String, among known: [String]) -> String? {
    Suggestion.closest(to: typed, among: known).map { "did you mean \($0)?" }
}
