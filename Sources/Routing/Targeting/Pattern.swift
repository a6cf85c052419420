/// A regular expression as targeting conditions write them, matched anywhere in a text in time proportional to pattern times
/// text: all possibilities advance together, so that no pattern can be made to try them one after the other.
///
/// It reads JavaScript's syntax without backreferences and lookbehind; a pattern with these, or that is malformed or too large,
/// is nil, and a condition with it holds for nobody.
struct Pattern: Sendable {
    enum Step: Sendable {
        case unit(UInt16)
        case units(UnitSet)
        case any
        case fork(Int, Int)
        case jump(Int)
        case start, end
        case boundary(Bool)
        /// What follows matches the program that begins at the first place, or does not; then on at the second.
        case ahead(Int, holds: Bool, next: Int)
        case match
    }
    /// Counted repeats are written out: this is what bounds them.
    static let stepsMax = 2_048
    static let textMax = 1_024
    /// Units of a text that are looked at.
    static let inputMax = 8 << 10
    /// Steps of one search, some milliseconds: it runs beside live traffic. A search that would need more finds nothing.
    private static let workMax = 1_000_000

    private let steps: [Step]
    private let isFolded: Bool

    init?(_ text: String, folded: Bool = false) {
        guard text.utf8.count <= Pattern.textMax else { return nil }
        var parser = PatternParser(text, folded: folded)
        guard let tree = parser.parse() else { return nil }
        var writer = PatternWriter()
        guard let steps = writer.write(tree) else { return nil }
        (self.steps, isFolded) = (steps, folded)
    }

    /// Whether it matches somewhere in `text`.
    func matches(_ text: String) -> Bool {
        var input = Array(text.utf16.prefix(Pattern.inputMax))
        if isFolded { for index in input.indices { input[index] = UnitSet.folded(input[index]) } }
        var search = PatternSearch(steps: steps, input: input, work: Pattern.workMax)
        return search.run(from: 0, at: 0, anchored: false)
    }
}

/// One search: which steps are possible at one place of the input, and which at the next.
private struct PatternSearch {
    let steps: [Pattern.Step]
    let input: [UInt16]
    var work: Int

    /// Whether the program at `entry` matches from `start`; when not anchored, from anywhere after it too.
    mutating func run(from entry: Int, at start: Int, anchored: Bool) -> Bool {
        var now: [Int] = []
        var seen = [Int](repeating: -1, count: steps.count)
        var place = start
        if follow(entry, at: place, into: &now, &seen) { return true }
        while place < input.count, work > 0 {
            var next: [Int] = []
            let unit = input[place]
            work -= now.count
            for index in now where takes(steps[index], unit) {
                if follow(index + 1, at: place + 1, into: &next, &seen) { return true }
            }
            place += 1
            if !anchored, follow(entry, at: place, into: &next, &seen) { return true }
            if next.isEmpty, anchored { return false }
            now = next
        }
        return false
    }

    /// Adds every step that is possible at `place` from `first` on without taking a unit. True when one of them is the match.
    private mutating func follow(_ first: Int, at place: Int, into list: inout [Int], _ seen: inout [Int]) -> Bool {
        var open = [first]
        while let index = open.popLast() {
            if seen[index] == place { continue }
            seen[index] = place
            work -= 1
            if work <= 0 { return false }
            switch steps[index] {
            case .match: return true
            case .unit, .units, .any: list.append(index)
            case .jump(let next): open.append(next)
            case .fork(let one, let other): open += [other, one]
            case .start: if place == 0 { open.append(index + 1) }
            case .end: if place == input.count { open.append(index + 1) }
            case .boundary(let wanted): if isBoundary(place) == wanted { open.append(index + 1) }
            case .ahead(let entry, let holds, let next):
                if run(from: entry, at: place, anchored: true) == holds { open.append(next) }
            }
        }
        return false
    }

    private func takes(_ step: Pattern.Step, _ unit: UInt16) -> Bool {
        switch step {
        case .unit(let wanted): unit == wanted
        case .units(let set): set.contains(unit)
        case .any: !UnitSet.isLineEnd(unit)
        default: false
        }
    }

    private func isBoundary(_ place: Int) -> Bool {
        let before = place > 0 && UnitSet.word.contains(input[place - 1])
        let after = place < input.count && UnitSet.word.contains(input[place])
        return before != after
    }
}

/// A set of UTF-16 units: what a class in brackets stands for.
struct UnitSet: Equatable, Sendable {
    var ranges: [ClosedRange<UInt16>] = []
    var isInverted = false
    /// Letters are taken in either case.
    var isFolded = false

    func contains(_ unit: UInt16) -> Bool {
        var found = has(unit)
        if !found, isFolded {
            let lower = UnitSet.folded(unit)
            found = has(lower) || UnitSet.upper(lower).map(has) == true
        }
        return found != isInverted
    }

    private func has(_ unit: UInt16) -> Bool { ranges.contains { $0.contains(unit) } }

    static let digit = UnitSet(ranges: [0x30...0x39])
    static let word = UnitSet(ranges: [0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a])
    static let space = UnitSet(ranges: [
        0x09...0x0d, 0x20...0x20, 0xa0...0xa0, 0x1680...0x1680, 0x2000...0x200a, 0x2028...0x2029, 0x202f...0x202f,
        0x205f...0x205f, 0x3000...0x3000, 0xfeff...0xfeff,
    ])

    /// All other units.
    var complement: [ClosedRange<UInt16>] {
        var rest: [ClosedRange<UInt16>] = []
        var next = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if next < Int(range.lowerBound) { rest.append(UInt16(next)...(range.lowerBound - 1)) }
            next = max(next, Int(range.upperBound) + 1)
        }
        if next <= 0xffff { rest.append(UInt16(next)...0xffff) }
        return rest
    }

    static func isLineEnd(_ unit: UInt16) -> Bool { unit == 0x0a || unit == 0x0d || unit == 0x2028 || unit == 0x2029 }

    /// The lower case of a unit, where it is one unit.
    static func folded(_ unit: UInt16) -> UInt16 {
        if unit < 0x80 { return unit &- 0x41 < 26 ? unit | 0x20 : unit }
        return mapped(unit) { $0.lowercaseMapping } ?? unit
    }

    private static func upper(_ unit: UInt16) -> UInt16? { mapped(unit) { $0.uppercaseMapping } }

    private static func mapped(_ unit: UInt16, _ map: (Unicode.Scalar.Properties) -> String) -> UInt16? {
        guard let scalar = Unicode.Scalar(unit) else { return nil }
        let units = map(scalar.properties).utf16
        return units.count == 1 ? units.first : nil
    }
}
