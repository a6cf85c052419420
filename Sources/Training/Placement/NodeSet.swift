/// Some of a cluster's nodes, a bit for each: the first of them is found without looking at all.
struct NodeSet: Sendable {
    private var words: [UInt64]
    private(set) var count = 0
    /// Nothing stands in the words before this one.
    private var lowest: Int

    init(of nodes: Int) {
        words = Array(repeating: 0, count: (nodes + 63) / 64)
        lowest = words.count
    }

    func contains(_ node: Int) -> Bool { words[node >> 6] & (1 << UInt64(node & 63)) != 0 }

    mutating func insert(_ node: Int) {
        guard !contains(node) else { return }
        words[node >> 6] |= 1 << UInt64(node & 63)
        count += 1
        lowest = min(lowest, node >> 6)
    }

    mutating func remove(_ node: Int) {
        guard contains(node) else { return }
        words[node >> 6] &= ~(1 << UInt64(node & 63))
        count -= 1
        while lowest < words.count, words[lowest] == 0 { lowest += 1 }
    }

    var first: Int? { first(from: 0) }

    /// The first of them that is not before `node`.
    func first(from node: Int) -> Int? {
        var word = max(node >> 6, lowest)
        guard word < words.count else { return nil }
        var bits = words[word]
        if word == node >> 6 { bits &= ~0 << UInt64(node & 63) }
        while bits == 0 {
            word += 1
            if word == words.count { return nil }
            bits = words[word]
        }
        return word << 6 + bits.trailingZeroBitCount
    }
}
