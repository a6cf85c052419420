/// What each unit earned earlier under each arm of an experiment: what a contextual choice may look at as `history`.
///
/// A pure fold over rewards, bounded: 16 384 units in sets of eight; where a set is full the unit that was heard of longest ago
/// makes room. A copy of the rows that changed is published to a `HistoryTable`, which the gateway reads.
public struct UnitHistory: Equatable, Sendable {
    public static let unitsMax = 1 << 14
    /// As many arms as an experiment may have.
    public static let armsMax = 16
    static let ways = 8
    /// A row: the unit (0: free), when it was heard of last, then for each arm the sum of its rewards and how many there were.
    static let rowWords = 2 + armsMax

    /// A row to publish, where it stands.
    public struct Row: Equatable, Sendable {
        public var index: Int
        public var words: [UInt64]
    }

    public let arms: Int
    private var words: [UInt64] = []
    /// Rewards heard, which is the time here.
    private var clock: UInt64 = 0
    /// Of all units, by arm.
    private var sums: [Double]
    private var counts: [Double]

    public init(arms: Int) {
        precondition((1...UnitHistory.armsMax).contains(arms), "a history is of 1 to 16 arms")
        self.arms = arms
        sums = Array(repeating: 0, count: arms)
        counts = sums
    }

    /// A unit's reward under an arm; `sign` -1 takes one back. Returns the row that changed; nil for one that is not known any more.
    public mutating func add(unit: UInt64, arm: Int, reward: Double, sign: Int = 1) -> Int? {
        guard (0..<arms).contains(arm), reward.isFinite else { return nil }
        if words.isEmpty { words = Array(repeating: 0, count: UnitHistory.unitsMax * UnitHistory.rowWords) }
        sums[arm] += Double(sign) * reward
        counts[arm] += Double(sign)
        let key = UnitHistory.key(of: unit)
        guard let row = row(of: key) ?? (sign > 0 ? take(key) : nil) else { return nil }
        clock += 1
        let place = row * UnitHistory.rowWords
        words[place + 1] = clock
        let (sum, count) = UnitHistory.entry(words[place + 2 + arm])
        words[place + 2 + arm] = UnitHistory.word(sum + Float(Double(sign) * reward), max(0, Int64(count) + Int64(sign)))
        return row
    }

    /// What is published of these rows.
    public func rows(_ indices: some Sequence<Int>) -> [Row] {
        guard !words.isEmpty else { return [] }
        return indices.map { Row(index: $0, words: Array(words[$0 * UnitHistory.rowWords..<($0 + 1) * UnitHistory.rowWords])) }
    }

    /// Every row that has a unit.
    public var allRows: [Row] {
        guard !words.isEmpty else { return [] }
        return rows((0..<UnitHistory.unitsMax).lazy.filter { words[$0 * UnitHistory.rowWords] != 0 })
    }

    /// By arm, the mean reward of all units.
    public var means: [Float] { zip(sums, counts).map { $1 > 0 ? Float($0 / $1) : 0 } }

    // MARK: Places

    static func key(of unit: UInt64) -> UInt64 { max(1, UnitID.mixed(unit ^ 0x6f43_6869_7374_6f72)) }

    /// The first row of the set a key belongs to.
    static func set(of key: UInt64) -> Int { Int(key >> 32) & (unitsMax / ways - 1) * ways }

    private func row(of key: UInt64) -> Int? {
        let first = UnitHistory.set(of: key)
        return (first..<first + UnitHistory.ways).first { words[$0 * UnitHistory.rowWords] == key }
    }

    /// A free row of the set, else that of the unit heard of longest ago.
    private mutating func take(_ key: UInt64) -> Int? {
        let first = UnitHistory.set(of: key)
        guard
            let row = (first..<first + UnitHistory.ways).min(by: {
                words[$0 * UnitHistory.rowWords + 1] < words[$1 * UnitHistory.rowWords + 1]
            })
        else { return nil }
        let place = row * UnitHistory.rowWords
        for word in place..<place + UnitHistory.rowWords { words[word] = 0 }
        words[place] = key
        return row
    }

    // MARK: Words

    static func word(_ sum: Float, _ count: Int64) -> UInt64 {
        count == 0 ? 0 : UInt64(sum.bitPattern) << 32 | UInt64(min(count, 0xffff_ffff))
    }

    static func entry(_ word: UInt64) -> (sum: Float, count: UInt32) {
        (Float(bitPattern: UInt32(truncatingIfNeeded: word >> 32)), UInt32(truncatingIfNeeded: word))
    }

    /// The two numbers of an arm: by how much the unit's rewards are above those of all units, drawn towards none while there are
    /// few, and how much of them there is, from 0 to 1.
    static func numbers(sum: Float, count: UInt32, mean: Float) -> (above: Float, amount: Float) {
        let n = Float(count)
        let limit = Float(ScorerFeature.numberMax)
        let above = (sum - n * mean) / (n + 1)
        return (above.isFinite ? max(-limit, min(limit, above)) : 0, n / (n + 3))
    }
}

/// Written as its rows that have a unit: index, then words, as hexadecimal text.
extension UnitHistory: Codable {
    private enum Key: String, CodingKey { case arms, clock, sums, counts, rows }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(arms, forKey: .arms)
        try container.encode(clock, forKey: .clock)
        try container.encode(sums, forKey: .sums)
        try container.encode(counts, forKey: .counts)
        var text = ""
        for row in allRows {
            for word in [UInt64(row.index)] + row.words[..<(2 + arms)] { text += String(word, radix: 16) + " " }
        }
        try container.encode(text, forKey: .rows)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let arms = try container.decode(Int.self, forKey: .arms)
        guard (1...UnitHistory.armsMax).contains(arms) else {
            throw DecodingError.dataCorruptedError(forKey: .arms, in: container, debugDescription: "not a history's arms")
        }
        self.init(arms: arms)
        clock = try container.decode(UInt64.self, forKey: .clock)
        sums = try container.decode([Double].self, forKey: .sums)
        counts = try container.decode([Double].self, forKey: .counts)
        let numbers = try container.decode(String.self, forKey: .rows).split(separator: " ").map { UInt64($0, radix: 16) }
        guard sums.count == arms, counts.count == arms, numbers.count % (3 + arms) == 0 else {
            throw DecodingError.dataCorruptedError(forKey: .rows, in: container, debugDescription: "not a history's rows")
        }
        if !numbers.isEmpty { words = Array(repeating: 0, count: UnitHistory.unitsMax * UnitHistory.rowWords) }
        for start in stride(from: 0, to: numbers.count, by: 3 + arms) {
            guard let index = numbers[start], index < UnitHistory.unitsMax else {
                throw DecodingError.dataCorruptedError(forKey: .rows, in: container, debugDescription: "a row of no place")
            }
            for word in 0..<2 + arms { words[Int(index) * UnitHistory.rowWords + word] = numbers[start + 1 + word] ?? 0 }
        }
    }
}
