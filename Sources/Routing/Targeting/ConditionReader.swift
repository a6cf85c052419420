import JSON

/// Takes a condition apart. What it does not understand becomes `never`, and the first of these is the complaint.
struct ConditionReader {
    private(set) var complaint: String?
    private var depth = 0
    private var parts = 0

    mutating func clause(_ json: JSONValue) -> Clause {
        guard case .object(let members) = json else { return refuse("a condition is an object", Clause.never) }
        guard enter() else { return .never }
        defer { depth -= 1 }
        var clauses: [Clause] = []
        // The order of a dictionary may not reach a complaint.
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
            switch key {
            case "$and": clauses.append(list(of: key, value).map(Clause.every) ?? .never)
            case "$or": clauses.append(list(of: key, value).map(Clause.any) ?? .never)
            case "$nor": clauses.append(list(of: key, value).map { .not(.any($0)) } ?? .never)
            case "$not": clauses.append(value.objectValue == nil ? clause(value) : .not(clause(value)))
            default:
                let path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
                clauses.append(.attribute(path: path, check(value)))
            }
        }
        return clauses.count == 1 ? clauses[0] : .every(clauses)
    }

    private mutating func list(of key: String, _ value: JSONValue) -> [Clause]? {
        guard let items = value.arrayValue else { return refuse("\(key) takes a list of conditions", nil) }
        return items.map { clause($0) }
    }

    /// What a value is compared with: itself, or an object of operators.
    private mutating func check(_ json: JSONValue, folded: Bool = false) -> Check {
        guard enter() else { return .never }
        defer { depth -= 1 }
        guard let operators = ConditionReader.operators(json) else { return .like(json, folded: folded) }
        let checks = operators.map { check($0.key, $0.value) }
        return checks.count == 1 ? checks[0] : .every(checks)
    }

    /// The members of an object that has operators only, in the order of their names.
    private static func operators(_ json: JSONValue) -> [(key: String, value: JSONValue)]? {
        guard case .object(let members) = json, !members.isEmpty, members.keys.allSatisfy({ $0.hasPrefix("$") }) else { return nil }
        return members.sorted { $0.key < $1.key }
    }

    private mutating func check(_ name: String, _ value: JSONValue) -> Check {
        switch name {
        case "$eq": return .identical(value)
        case "$ne": return .not(.identical(value))
        case "$lt": return .order(value, .less)
        case "$lte": return .order(value, .lessOrEqual)
        case "$gt": return .order(value, .greater)
        case "$gte": return .order(value, .greaterOrEqual)
        case "$veq": return .version(VersionText(value), .equal)
        case "$vne": return .version(VersionText(value), .notEqual)
        case "$vlt": return .version(VersionText(value), .less)
        case "$vlte": return .version(VersionText(value), .lessOrEqual)
        case "$vgt": return .version(VersionText(value), .greater)
        case "$vgte": return .version(VersionText(value), .greaterOrEqual)
        case "$exists": return .exists(LooseValue.isTrue(value))
        case "$not": return .not(check(value))
        case "$size": return .size(check(value))
        case "$type": return .type(value.stringValue ?? "")
        default: return listCheck(name, value)
        }
    }

    /// The operators that take a list, a group, an element's condition or a pattern.
    private mutating func listCheck(_ name: String, _ value: JSONValue) -> Check {
        switch name {
        case "$in", "$ini", "$nin", "$nini":
            guard let items = value.arrayValue else { return refuse("\(name) takes a list", .never) }
            guard count(items.count) else { return .never }
            let within = Check.within(items, folded: name.hasSuffix("i"))
            return name.hasPrefix("$n") ? .not(within) : within
        case "$all", "$alli":
            guard let items = value.arrayValue else { return refuse("\(name) takes a list", .never) }
            return .has(items.map { check($0, folded: name == "$alli") })
        case "$inGroup", "$notInGroup":
            let within = Check.withinGroup(LooseValue.text(value))
            return name == "$notInGroup" ? .not(within) : within
        case "$elemMatch":
            return ConditionReader.operators(value) == nil ? .elementMatches(clause(value)) : .element(check(value))
        case "$regex", "$regexi":
            guard let text = value.stringValue else { return refuse("\(name) takes a text", .never) }
            guard let pattern = Pattern(text, folded: name == "$regexi") else {
                return refuse(
                    "'\(text)' is not a pattern that can be searched for (no backreferences, no lookbehind, at most \(Pattern.textMax) bytes)",
                    .never)
            }
            return .pattern(pattern)
        default: return refuse("there is no operator \(name)", .never)
        }
    }

    // MARK: Limits

    private mutating func enter() -> Bool {
        depth += 1
        guard depth <= Condition.depthMax else {
            depth -= 1
            return refuse("it nests deeper than \(Condition.depthMax) levels", false)
        }
        guard count(1) else {
            depth -= 1
            return false
        }
        return true
    }

    private mutating func count(_ more: Int) -> Bool {
        parts += more
        return parts <= Condition.partsMax || refuse("it has more than \(Condition.partsMax) parts", false)
    }

    private mutating func refuse<T>(_ why: String, _ instead: T) -> T {
        if complaint == nil { complaint = why }
        return instead
    }
}
