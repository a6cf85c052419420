/// Elements in order, in pieces: one is put in or taken out without moving all the others.
struct SortedChunks<Element: Comparable & Sendable>: Sendable {
    private static var piece: Int { 512 }

    /// None is empty.
    private var chunks: [[Element]] = []
    private(set) var count = 0

    var first: Element? { chunks.first?.first }
    var last: Element? { chunks.last?.last }
    var isEmpty: Bool { chunks.isEmpty }

    mutating func insert(_ element: Element) {
        count += 1
        guard !chunks.isEmpty else { return chunks.append([element]) }
        let chunk = min(chunk(of: element), chunks.count - 1)
        chunks[chunk].insert(element, at: Self.place(of: element, in: chunks[chunk]))
        if chunks[chunk].count > 2 * Self.piece {
            let rest = Array(chunks[chunk][Self.piece...])
            chunks[chunk].removeLast(rest.count)
            chunks.insert(rest, at: chunk + 1)
        }
    }

    mutating func remove(_ element: Element) {
        let chunk = chunk(of: element)
        guard chunk < chunks.count else { return }
        let place = Self.place(of: element, in: chunks[chunk])
        guard place < chunks[chunk].count, chunks[chunk][place] == element else { return }
        chunks[chunk].remove(at: place)
        count -= 1
        if chunks[chunk].isEmpty { chunks.remove(at: chunk) }
    }

    /// From the first on, until `body` says that it has enough.
    func walk(until body: (Element) -> Bool) {
        for chunk in chunks { for element in chunk where body(element) { return } }
    }

    /// From the last on, backwards, until `body` says that it has enough.
    func walkBack(until body: (Element) -> Bool) {
        for chunk in chunks.reversed() { for element in chunk.reversed() where body(element) { return } }
    }

    /// Those that are not before `lower`, and before `upper`.
    func walk(from lower: Element, to upper: Element, _ body: (Element) -> Void) {
        for chunk in chunks[chunk(of: lower)...] {
            for element in chunk[Self.place(of: lower, in: chunk)...] {
                guard element < upper else { return }
                body(element)
            }
        }
    }

    /// The first one behind an element, which may be gone.
    func first(after element: Element) -> Element? {
        var chunk = chunk(of: element)
        guard chunk < chunks.count else { return nil }
        var place = Self.place(of: element, in: chunks[chunk])
        if chunks[chunk][place] == element { place += 1 }
        if place == chunks[chunk].count { (chunk, place) = (chunk + 1, 0) }
        return chunk < chunks.count ? chunks[chunk][place] : nil
    }

    /// How many are before it.
    func countBefore(_ element: Element) -> Int {
        let chunk = chunk(of: element)
        let before = chunks[..<chunk].reduce(0) { $0 + $1.count }
        return chunk < chunks.count ? before + Self.place(of: element, in: chunks[chunk]) : before
    }

    /// The first chunk that does not end before the element.
    private func chunk(of element: Element) -> Int {
        var (low, high) = (0, chunks.count)
        while low < high {
            let middle = (low + high) / 2
            if let last = chunks[middle].last, last < element { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func place(of element: Element, in chunk: [Element]) -> Int {
        var (low, high) = (0, chunk.count)
        while low < high {
            let middle = (low + high) / 2
            if chunk[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
