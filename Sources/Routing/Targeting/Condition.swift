public import JSON

/// Whom an experiment is for: a condition over attributes, in the language of GrowthBook's SDKs (a subset of MongoDB's
/// queries). Taken apart once, so that asking it costs no parsing.
///
/// ```json
/// {"country": {"$in": ["DE", "AT"]}, "app.version": {"$vgte": "2.4.0"}, "$not": {"plan": "free"}}
/// ```
///
/// What it cannot understand (an operator that does not exist, a pattern that is none) holds for nobody; `complaint` says what.
public struct Condition: Sendable, Equatable {
    /// As it was written.
    public let json: JSONValue
    /// What in it will never hold because it is not understood; nil when all of it is.
    public let complaint: String?
    private let clause: Clause

    /// How deep conditions may nest, and how many values they may have in all.
    public static let depthMax = 32
    public static let partsMax = 20_000

    public init(_ json: JSONValue) {
        self.json = json
        var reader = ConditionReader()
        clause = reader.clause(json)
        complaint = reader.complaint
    }

    /// Whether it holds for these attributes. `savedGroups` has the lists that `$inGroup` names.
    public func matches(attributes: JSONValue, savedGroups: [String: JSONValue] = [:]) -> Bool {
        clause.holds(for: attributes, savedGroups)
    }

    /// The attributes it asks for, by the first part of their path.
    public var attributeNames: Set<String> {
        var names: Set<String> = []
        clause.collect(&names)
        return names
    }

    public static func == (a: Condition, b: Condition) -> Bool { a.json == b.json }
}

extension Condition: Codable {
    public init(from decoder: any Decoder) throws { self.init(try JSONValue(from: decoder)) }
    public func encode(to encoder: any Encoder) throws { try json.encode(to: encoder) }
}

/// What must hold of a whole set of attributes.
indirect enum Clause: Sendable {
    case every([Clause])
    case any([Clause])
    case not(Clause)
    case attribute(path: [String], Check)
    case never

    func holds(for attributes: JSONValue, _ groups: [String: JSONValue]) -> Bool {
        switch self {
        case .every(let clauses): clauses.allSatisfy { $0.holds(for: attributes, groups) }
        case .any(let clauses): clauses.isEmpty || clauses.contains { $0.holds(for: attributes, groups) }
        case .not(let clause): !clause.holds(for: attributes, groups)
        case .attribute(let path, let check): check.holds(for: Clause.value(at: path, in: attributes), groups)
        case .never: false
        }
    }

    /// What a path leads to; null where it leads nowhere.
    private static func value(at path: [String], in attributes: JSONValue) -> JSONValue {
        var value = attributes
        for part in path {
            guard let inner = value[part] ?? item(part, of: value) else { return .null }
            value = inner
        }
        return value
    }

    /// A list's element by its number as it is usually written, or how many it has.
    private static func item(_ part: String, of value: JSONValue) -> JSONValue? {
        guard case .array(let items) = value else { return nil }
        if part == "length" { return .integer(Int64(items.count)) }
        guard let index = Int(part), items.indices.contains(index), String(index) == part else { return nil }
        return items[index]
    }

    func collect(_ names: inout Set<String>) {
        switch self {
        case .every(let clauses), .any(let clauses): for clause in clauses { clause.collect(&names) }
        case .not(let clause): clause.collect(&names)
        case .attribute(let path, _): if let first = path.first { names.insert(first) }
        case .never: break
        }
    }
}

/// What must hold of one value.
indirect enum Check: Sendable {
    enum Relation: Sendable {
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual

        func holds(_ order: LooseValue.Order?) -> Bool {
            switch (self, order) {
            case (.equal, .equal?), (.lessOrEqual, .equal?), (.greaterOrEqual, .equal?): true
            case (.less, .less?), (.lessOrEqual, .less?), (.notEqual, .less?): true
            case (.greater, .greater?), (.greaterOrEqual, .greater?), (.notEqual, .greater?): true
            default: false
            }
        }
    }

    case every([Check])
    case not(Check)
    /// Equal across types; texts in any case when `folded`.
    case like(JSONValue, folded: Bool)
    case identical(JSONValue)
    case order(JSONValue, Relation)
    case version(VersionText, Relation)
    case exists(Bool)
    case within([JSONValue], folded: Bool)
    case withinGroup(String)
    /// A list that has, for each check, an element it holds for.
    case has([Check])
    case element(Check)
    case elementMatches(Clause)
    case size(Check)
    case pattern(Pattern)
    case type(String)
    case never

    func holds(for value: JSONValue, _ groups: [String: JSONValue]) -> Bool {
        switch self {
        case .every(let checks): checks.allSatisfy { $0.holds(for: value, groups) }
        case .not(let check): !check.holds(for: value, groups)
        case .like(.string(let wanted), folded: true): LooseValue.text(value).lowercased() == wanted.lowercased()
        case .like(let wanted, _): LooseValue.equals(value, wanted)
        case .identical(let wanted): LooseValue.isIdentical(value, wanted)
        case .order(let other, let relation): relation.holds(LooseValue.order(value, other))
        case .version(let other, let relation): relation.holds(VersionText(value).order(to: other))
        case .exists(let wanted): (value != .null) == wanted
        case .within(let list, let folded): Check.isWithin(value, list, folded: folded)
        case .withinGroup(let name): Check.isWithin(value, groups[name]?.arrayValue ?? [], folded: false)
        case .has(let checks):
            if case .array(let items) = value {
                checks.allSatisfy { check in items.contains { check.holds(for: $0, groups) } }
            } else {
                false
            }
        // An element that is null, false, 0 or "" matches nothing, whatever is asked.
        case .element(let check): value.arrayValue?.contains { LooseValue.isTrue($0) && check.holds(for: $0, groups) } == true
        case .elementMatches(let clause):
            value.arrayValue?.contains { LooseValue.isTrue($0) && clause.holds(for: $0, groups) } == true
        case .size(let check): value.arrayValue.map { check.holds(for: .integer(Int64($0.count)), groups) } == true
        case .pattern(let pattern): pattern.matches(LooseValue.text(value))
        case .type(let name): LooseValue.type(of: value) == name
        case .never: false
        }
    }

    /// Whether the value, or one of a list's values, stands in `list`.
    private static func isWithin(_ value: JSONValue, _ list: [JSONValue], folded: Bool) -> Bool {
        if case .array(let items) = value { return items.contains { isListed($0, list, folded: folded) } }
        return isListed(value, list, folded: folded)
    }

    private static func isListed(_ value: JSONValue, _ list: [JSONValue], folded: Bool) -> Bool {
        let value = folded ? LooseValue.folded(value) : value
        return list.contains { LooseValue.isIdentical(value, folded ? LooseValue.folded($0) : $0) }
    }
}
