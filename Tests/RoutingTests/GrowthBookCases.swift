import Glibc
import JSON
import Routing
import Testing

/// The published cases of GrowthBook's SDKs (version 0.8.0 of their specification), as far as they concern who is assigned to
/// what: `hash`, `getBucketRange`, `chooseVariation`, `inNamespace`, `getEqualWeights`, `evalCondition`, and of `run` what is
/// decided by weights, coverage, ranges, filters, namespaces, hash versions, conditions and forced variations.
///
/// Not ours, because nothing here does it: `decrypt` (encrypted payloads), `feature` and `contextualBandit` (their feature rules
/// and leaf routing; our flags are routes and experiments), `stickyBucket` (their storage; ours is tested in StickyTableTests),
/// `urlRedirect`, `getQueryStringOverride` (pages), `urlRegex`, `versionCompare` (covered through `evalCondition`).
///
/// A section that is not ours, or that the file does not have, is passed over and named; a row that is not of its section's form
/// fails as a test and says what is wrong with it.
///
/// The file is looked for where OPENCLAW_GROWTHBOOK_CASES says, else in `growthbook/cases.json` of the shared data beside the
/// package (or in OPENCLAW_SHARED_DATA). Without it the suite is skipped; a path that is given and wrong fails.
@Suite(.enabled(if: PublishedCases.isThere, "no growthbook/cases.json beside the package: set OPENCLAW_GROWTHBOOK_CASES"))
struct GrowthBookCases {
    static let ours = ["hash", "getBucketRange", "chooseVariation", "inNamespace", "getEqualWeights", "evalCondition", "run"]

    @Test func `the file has cases that are ours, and what is not is passed over`() throws {
        let sections = try PublishedCases.sections()
        let missing = Self.ours.filter { PublishedCases.section($0).isEmpty }
        #expect(missing.count < Self.ours.count, "\(PublishedCases.path) has no section of ours, but \(sections.sorted())")
        for name in missing { print("GrowthBookCases: \(PublishedCases.path) has no cases of \(name)") }
        for name in sections.subtracting(Self.ours).sorted() { print("GrowthBookCases: section \(name) is not ours, passed over") }
    }

    @Test(arguments: PublishedCases.section("hash"))
    func hash(row: PublishedCase) throws {
        let (seed, value) = (try row.text(0), try row.text(1))
        let version = try row.whole(2)
        #expect(PublicHash.hash(version: version, seed: seed, value: value) == row[3].numberValue)
        if version == 1 { #expect(PublicHash.v1(seed: seed, value: value) == row[3].numberValue) }
        if version == 2 { #expect(PublicHash.v2(seed: seed, value: value) == row[3].numberValue) }
    }

    @Test(arguments: PublishedCases.section("getBucketRange"))
    func getBucketRange(row: PublishedCase) throws {
        let count = try #require(PublishedCase.whole(row[1][0]), "\(row): [variations, coverage, weights] stand second")
        let ranges = BucketRanges.make(
            count: count, coverage: row[1][1]?.numberValue, weights: row[1][2]?.arrayValue?.compactMap(\.numberValue))
        let wanted = PublishedCase.ranges(try row.list(2))
        #expect(ranges.count == wanted.count)
        for (range, wanted) in zip(ranges, wanted) {
            #expect(abs(range.lower - wanted.lower) < 1e-6 && abs(range.upper - wanted.upper) < 1e-6, "\(ranges)")
        }
    }

    @Test(arguments: PublishedCases.section("chooseVariation"))
    func chooseVariation(row: PublishedCase) throws {
        let chosen = BucketRanges.choose(try row.number(1), PublishedCase.ranges(try row.list(2)))
        #expect(try (chosen ?? -1) == row.whole(3))
    }

    @Test(arguments: PublishedCases.section("inNamespace"))
    func inNamespace(row: PublishedCase) throws {
        #expect(try PublishedCase.isIn(.array(row.list(2)), row.text(1)) == row.isTrue(3))
    }

    @Test(arguments: PublishedCases.section("getEqualWeights"))
    func getEqualWeights(row: PublishedCase) throws {
        let weights = BucketRanges.equalWeights(try row.whole(0))
        let wanted = try row.list(1).compactMap(\.numberValue)
        #expect(weights.count == wanted.count && zip(weights, wanted).allSatisfy { abs($0 - $1) < 1e-6 }, "\(weights)")
    }

    @Test(arguments: PublishedCases.section("evalCondition"))
    func evalCondition(row: PublishedCase) throws {
        let wanted = try row.isTrue(3)
        let holds = Condition(row[1]).matches(attributes: row[2], savedGroups: row[4].objectValue ?? [:])
        #expect(holds == wanted, "\(row[1].canonicalText) of \(row[2].canonicalText)")
    }

    @Test(arguments: PublishedCases.section("run").filter { $0.outside == nil })
    func run(row: PublishedCase) throws {
        let (context, experiment) = (row[1], row[2])
        let wanted = (value: row[3], isIn: try row.isTrue(4), hashUsed: try row.isTrue(5))
        let chosen = PublishedCase.assignment(experiment, in: context)
        let variations = experiment["variations"]?.arrayValue ?? []
        let place = chosen?.variation ?? 0
        try #require(variations.indices.contains(place), "\(row): an experiment has variations")
        #expect(variations[place] == wanted.value)
        #expect((chosen != nil) == wanted.isIn)
        #expect((chosen?.hashed ?? false) == wanted.hashUsed)
        // The same through what the gateway asks, where a route's experiment can say it.
        guard let layer = PublishedCase.layer(experiment, in: context) else { return }
        let attribute = experiment["hashAttribute"]?.stringValue ?? "id"
        let unit = PublishedCase.spelled(context["attributes"]?[attribute])
        let route = PublishedCase.route(carrying: layer)
        let decision = RouteDecider(route).decide(unit: unit, attributes: context["attributes"]?.objectValue ?? [:])
        #expect((decision.experiment != nil) == (chosen != nil))
        if let chosen, decision.experiment != nil {
            #expect(Int(decision.variant.number) == chosen.variation)
            #expect((decision.because == .split) == wanted.hashUsed)
        }
    }

    @Test func `what of run is not ours is known by name`() {
        let outside = PublishedCases.section("run").compactMap(\.outside)
        let known: Set<String> = PublishedCase.keysOutside
        #expect(outside.allSatisfy { known.contains($0) }, "\(outside)")
    }
}

/// One row of a section.
struct PublishedCase: Sendable, CustomTestStringConvertible {
    let section: String
    let items: [JSONValue]

    subscript(_ index: Int) -> JSONValue { items.indices.contains(index) ? items[index] : .null }
    var count: Int { items.count }
    var testDescription: String { items.first?.canonicalText ?? "?" }

    // What stands where it should; else the test fails and says what does not.
    func text(_ index: Int) throws -> String { try require(self[index].stringValue, index, "a text") }
    func number(_ index: Int) throws -> Double { try require(self[index].numberValue, index, "a number") }
    func whole(_ index: Int) throws -> Int { try require(PublishedCase.whole(self[index]), index, "a small whole number") }
    func isTrue(_ index: Int) throws -> Bool { try require(self[index].boolValue, index, "true or false") }
    func list(_ index: Int) throws -> [JSONValue] { try require(self[index].arrayValue, index, "a list") }

    private func require<T>(_ value: T?, _ index: Int, _ what: String) throws -> T {
        try #require(
            value,
            "a case of \(section) has \(what) at place \(index), and this one does not: \(JSONValue.array(items).canonicalText)"
        )
    }

    static func whole(_ value: JSONValue?) -> Int? {
        value?.integerValue.map(Int.init).flatMap { (-1_000...1_000).contains($0) ? $0 : nil }
    }

    /// Parts of `run` that pages, callbacks, other flags and their QA mode decide.
    static let keysOutside: Set<String> = [
        "url", "qaMode", "features", "groups", "include", "parentConditions", "urlPatterns", "status", "persistQueryString",
        "stickyBucketAssignmentDocs", "userGroups", "overrides",
    ]

    /// The first thing this row turns on that is not ours.
    var outside: String? {
        let keys = Array((self[1].objectValue ?? [:]).keys) + Array((self[2].objectValue ?? [:]).keys)
        return keys.sorted().first { PublishedCase.keysOutside.contains($0) }
    }

    /// A range that is none is empty, and no number falls to it.
    static func ranges(_ items: [JSONValue]) -> [BucketRanges.Range] {
        items.map { BucketRanges.Range($0[0]?.numberValue ?? .nan, $0[1]?.numberValue ?? .nan) }
    }

    static func isIn(_ namespace: JSONValue, _ value: String) -> Bool {
        Namespace.contains(
            value, name: namespace[0]?.stringValue ?? "", lower: namespace[1]?.numberValue ?? 0,
            upper: namespace[2]?.numberValue ?? 0)
    }

    /// As the SDKs spell an attribute before they hash it; what is not true in JavaScript is no unit.
    static func spelled(_ value: JSONValue?) -> String {
        switch value {
        case .string(let text)?: text
        case .null?, nil, .bool(false)?, .integer(0)?: ""
        case let other?: other.canonicalText
        }
    }

    /// Who is assigned to what, from the public pieces; nil when the unit is not in the experiment.
    static func assignment(_ experiment: JSONValue, in context: JSONValue) -> (variation: Int, hashed: Bool)? {
        let count = experiment["variations"]?.arrayValue?.count ?? 0
        guard count >= 2, context["enabled"]?.boolValue != false else { return nil }
        let key = experiment["key"]?.stringValue ?? ""
        if let forced = context["forcedVariations"]?[key]?.integerValue {
            return (0..<count).contains(Int(forced)) ? (Int(forced), false) : nil
        }
        guard experiment["active"]?.boolValue != false else { return nil }
        let attributes = context["attributes"] ?? [:]
        func unit(_ name: JSONValue?) -> String { spelled(attributes[name?.stringValue ?? "id"]) }
        let value = unit(experiment["hashAttribute"])
        guard !value.isEmpty else { return nil }
        if let filters = experiment["filters"]?.arrayValue {
            for filter in filters {
                let version = Int(filter["hashVersion"]?.integerValue ?? 2)
                let seed = filter["seed"]?.stringValue ?? ""
                let filtered = unit(filter["attribute"])
                guard !filtered.isEmpty, let number = PublicHash.hash(version: version, seed: seed, value: filtered),
                    BucketRanges.choose(number, ranges(filter["ranges"]?.arrayValue ?? [])) != nil
                else { return nil }
            }
        } else if let namespace = experiment["namespace"], !isIn(namespace, value) {
            return nil
        }
        if let condition = experiment["condition"],
            !Condition(condition).matches(attributes: attributes, savedGroups: context["savedGroups"]?.objectValue ?? [:])
        {
            return nil
        }
        var parts = BucketRanges.make(
            count: count, coverage: experiment["coverage"]?.numberValue,
            weights: experiment["weights"]?.arrayValue?.compactMap(\.numberValue))
        if let given = experiment["ranges"]?.arrayValue { parts = ranges(given) }
        let version = Int(experiment["hashVersion"]?.integerValue ?? 1)
        guard let number = PublicHash.hash(version: version, seed: experiment["seed"]?.stringValue ?? key, value: value),
            let variation = BucketRanges.choose(number, parts)
        else { return nil }
        if let forced = experiment["force"]?.integerValue {
            return (0..<count).contains(Int(forced)) ? (Int(forced), false) : nil
        }
        return (variation, true)
    }

    static func route(carrying experiment: RouteExperiment) -> Route {
        Route(
            id: RouteID(1), name: "r", match: RouteMatch(path: "/"), unit: experiment.unit,
            variants: [Variant(id: VariantID(255), name: "base", url: "http://127.0.0.1:1/")], timeouts: RouteTimeouts(),
            split: TrafficSplit(route: "r", shares: [VariantID(255): 10_000]), experiments: [experiment])
    }

    /// The experiment as a route carries one; nil for what no route's experiment can say.
    static func layer(_ experiment: JSONValue, in context: JSONValue) -> RouteExperiment? {
        let unsaid = ["ranges", "filters", "force", "active"]
        let variations = experiment["variations"]?.arrayValue ?? []
        guard variations.count >= 2, unsaid.allSatisfy({ experiment[$0] == nil }), context["enabled"] == nil,
            !spelled(context["attributes"]?[experiment["hashAttribute"]?.stringValue ?? "id"]).isEmpty
        else { return nil }
        let weights = experiment["weights"]?.arrayValue?.compactMap(\.numberValue)
        let ranges = BucketRanges.make(count: variations.count, weights: weights)
        var shares = ranges.map { Int((($0.upper - $0.lower) * 10_000).rounded()) }
        shares[shares.count - 1] += 10_000 - shares.reduce(0, +)
        let arms = variations.indices.map { VariantID(UInt8($0)) }
        let key = experiment["key"]?.stringValue ?? ""
        var audience = Audience(coverage: Int(((experiment["coverage"]?.numberValue ?? 1) * 10_000).rounded()))
        audience.namespace = experiment["namespace"].map {
            Namespace(
                name: $0[0]?.stringValue ?? "", lower: Int((($0[1]?.numberValue ?? 0) * 10_000).rounded()),
                upper: Int((($0[2]?.numberValue ?? 0) * 10_000).rounded()))
        }
        audience.condition = experiment["condition"].map { Condition($0) }
        audience.groups = context["savedGroups"]?.objectValue ?? [:]
        for name in (context["attributes"]?.objectValue ?? [:]).keys { audience.attributes[name] = .header(name) }
        var overrides: [String: VariantID] = [:]
        if let forced = context["forcedVariations"]?[key]?.integerValue {
            overrides[spelled(context["attributes"]?["id"])] = VariantID(UInt8(forced))
        }
        return RouteExperiment(
            number: 1, name: key, unit: .header("X-User-Id"), audience: audience, variants: arms,
            split: TrafficSplit(route: key, shares: Dictionary(uniqueKeysWithValues: zip(arms, shares))),
            hashing: .growthBook(
                version: Int(experiment["hashVersion"]?.integerValue ?? 1), seed: experiment["seed"]?.stringValue ?? key),
            overrides: overrides)
    }
}

/// The file.
enum PublishedCases {
    static let path: String = {
        if let given = variable("OPENCLAW_GROWTHBOOK_CASES") { return given }
        if let shared = variable("OPENCLAW_SHARED_DATA") { return shared + "/growthbook/cases.json" }
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        return root + "/../shared/data/growthbook/cases.json"
    }()

    /// A path that was given is used, and fails when there is nothing.
    static let isThere: Bool = unsafe variable("OPENCLAW_GROWTHBOOK_CASES") != nil || access(path, R_OK) == 0

    private static let document: JSONValue = {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return .null }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            guard count > 0 else { return (try? JSONValue(parsing: bytes)) ?? .null }
            bytes += chunk[..<count]
        }
    }()

    static func section(_ name: String) -> [PublishedCase] {
        (document[name]?.arrayValue ?? []).map { PublishedCase(section: name, items: $0.arrayValue ?? [$0]) }
    }

    /// The names of all sections, but for what only describes the file.
    static func sections() throws -> Set<String> {
        let members = try #require(document.objectValue, "\(path) cannot be read as an object of JSON")
        return Set(members.filter { $0.value.stringValue == nil }.keys)
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }
}
