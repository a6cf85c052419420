/// What a pattern says, before it is written as steps.
indirect enum PatternTree {
    case empty, any, start, end
    case unit(UInt16)
    case units(UnitSet)
    case boundary(Bool)
    case sequence([PatternTree])
    case choice([PatternTree])
    /// `most` is nil for any number.
    case times(PatternTree, least: Int, most: Int?)
    case ahead(PatternTree, holds: Bool)
}

/// Reads a pattern; nil is its answer to everything it cannot read.
struct PatternParser {
    private static let depthMax = 64
    private static let timesMax = 1_000

    private let input: [UInt16]
    private let isFolded: Bool
    private var at = 0
    private var depth = 0

    init(_ text: String, folded: Bool) { (input, isFolded) = (Array(text.utf16), folded) }

    mutating func parse() -> PatternTree? {
        guard let tree = choice(), at == input.count else { return nil }
        return tree
    }

    private func next(is character: Character) -> Bool { at < input.count && input[at] == character.utf16.first }

    private mutating func skip(_ text: String) -> Bool {
        let units = Array(text.utf16)
        guard input[at...].starts(with: units) else { return false }
        at += units.count
        return true
    }

    private mutating func choice() -> PatternTree? {
        var branches: [PatternTree] = []
        repeat {
            guard let branch = sequence() else { return nil }
            branches.append(branch)
        } while skip("|")
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() -> PatternTree? {
        var parts: [PatternTree] = []
        while at < input.count, !next(is: "|"), !next(is: ")") {
            guard let part = term() else { return nil }
            parts.append(part)
        }
        return parts.isEmpty ? .empty : .sequence(parts)
    }

    /// One thing and how often it stands.
    private mutating func term() -> PatternTree? {
        if skip("^") { return repeated(.start, mayRepeat: false) }
        if skip("$") { return repeated(.end, mayRepeat: false) }
        if skip("\\b") { return repeated(.boundary(true), mayRepeat: false) }
        if skip("\\B") { return repeated(.boundary(false), mayRepeat: false) }
        guard let atom = atom() else { return nil }
        return repeated(atom, mayRepeat: true)
    }

    private mutating func repeated(_ tree: PatternTree, mayRepeat: Bool) -> PatternTree? {
        let limits: (least: Int, most: Int?)
        if skip("*") {
            limits = (0, nil)
        } else if skip("+") {
            limits = (1, nil)
        } else if skip("?") {
            limits = (0, 1)
        } else if let braces = braces() {
            limits = braces
        } else {
            return tree
        }
        guard mayRepeat, limits.least <= Self.timesMax, limits.most.map({ $0 >= limits.least && $0 <= Self.timesMax }) != false
        else { return nil }
        _ = skip("?")  // whether it takes as little as it can makes no difference to whether it matches
        return .times(tree, least: limits.least, most: limits.most)
    }

    /// `{2}`, `{2,}`, `{2,5}`; anything else in braces stands for itself.
    private mutating func braces() -> (least: Int, most: Int?)? {
        let start = at
        guard skip("{"), let least = number() else {
            at = start
            return nil
        }
        if skip("}") { return (least, least) }
        guard skip(",") else {
            at = start
            return nil
        }
        if skip("}") { return (least, nil) }
        guard let most = number(), skip("}") else {
            at = start
            return nil
        }
        return (least, most)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while at < input.count, UnitSet.digit.contains(input[at]) {
            value = min((value ?? 0) * 10 + Int(input[at] - 0x30), 1_000_000)
            at += 1
        }
        return value
    }

    private mutating func atom() -> PatternTree? {
        if skip("(") { return group() }
        if skip("[") { return bracketed() }
        if skip(".") { return .any }
        if skip("\\") { return escaped() }
        if next(is: "*") || next(is: "+") || next(is: "?") { return nil }
        let start = at
        if braces() != nil { return nil }  // a count of nothing
        at = start + 1
        return .unit(isFolded ? UnitSet.folded(input[start]) : input[start])
    }

    private mutating func group() -> PatternTree? {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { return nil }
        var holds: Bool?
        if skip("?=") {
            holds = true
        } else if skip("?!") {
            holds = false
        } else if skip("?<") {
            // A name of a group; what looks behind is not read.
            guard let end = input[at...].firstIndex(of: 0x3e), end > at,
                input[at..<end].allSatisfy({ UnitSet.word.contains($0) || $0 == 0x24 })
            else { return nil }
            at = end + 1
        } else if !skip("?:"), next(is: "?") {
            return nil
        }
        guard let inner = choice(), skip(")") else { return nil }
        return holds.map { .ahead(inner, holds: $0) } ?? inner
    }

    private mutating func escaped() -> PatternTree? {
        if let set = classEscape() { return .units(set) }
        guard let unit = unitEscape() else { return nil }
        return .unit(isFolded ? UnitSet.folded(unit) : unit)
    }

    /// `\d` and its like.
    private mutating func classEscape() -> UnitSet? {
        for (letter, set) in [("d", UnitSet.digit), ("w", UnitSet.word), ("s", UnitSet.space)] {
            if skip(letter) { return set }
            if skip(letter.uppercased()) { return UnitSet(ranges: set.complement) }
        }
        return nil
    }

    /// A single unit after a backslash; nil for a backreference and at the pattern's end.
    private mutating func unitEscape() -> UInt16? {
        guard at < input.count else { return nil }
        for (letter, unit) in [("n", 0x0a), ("r", 0x0d), ("t", 0x09), ("f", 0x0c), ("v", 0x0b), ("0", 0)] as [(String, UInt16)]
        where skip(letter) {
            return at < input.count && letter == "0" && UnitSet.digit.contains(input[at]) ? nil : unit
        }
        if UnitSet.digit.contains(input[at]) || next(is: "k") { return nil }
        for (letter, digits) in [("x", 2), ("u", 4)] where next(is: Character(letter)) {
            let hex = input[(at + 1)...].prefix(digits)
            if hex.count == digits, let unit = UInt16(String(decoding: hex, as: UTF16.self), radix: 16) {
                at += 1 + digits
                return unit
            }
        }
        if next(is: "c"), at + 1 < input.count, (input[at + 1] | 0x20) &- 0x61 < 26 {
            defer { at += 2 }
            return input[at + 1] & 0x1f
        }
        defer { at += 1 }
        return input[at]
    }

    // MARK: Classes in brackets

    private mutating func bracketed() -> PatternTree? {
        var set = UnitSet(isFolded: isFolded)
        set.isInverted = skip("^")
        while !skip("]") {
            guard let low = member() else { return nil }
            guard next(is: "-"), at + 1 < input.count, input[at + 1] != 0x5d else {
                set.ranges += low
                continue
            }
            at += 1
            guard let high = member() else { return nil }
            if low.isSingle, high.isSingle {
                guard low[0].lowerBound <= high[0].lowerBound else { return nil }
                set.ranges.append(low[0].lowerBound...high[0].lowerBound)
            } else {
                set.ranges += low + high + [0x2d...0x2d]  // `[\w-.]`: the hyphen stands for itself
            }
        }
        return .units(set)
    }

    private mutating func member() -> [ClosedRange<UInt16>]? {
        guard at < input.count else { return nil }
        if skip("\\") {
            if let set = classEscape() { return set.ranges }
            if skip("b") { return [0x08...0x08] }
            return unitEscape().map { [$0...$0] }
        }
        defer { at += 1 }
        return [input[at]...input[at]]
    }
}

extension [ClosedRange<UInt16>] {
    fileprivate var isSingle: Bool { count == 1 && self[0].count == 1 }
}
