/// Elements of which the least is at hand (a binary heap).
struct Heap<Element: Comparable & Sendable>: Sendable {
    private var elements: [Element]

    // What is in order is a heap.
    init(_ elements: [Element] = []) { self.elements = elements.sorted() }

    var first: Element? { elements.first }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var at = elements.count - 1
        while at > 0, elements[at] < elements[(at - 1) / 2] {
            elements.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    @discardableResult
    mutating func removeFirst() -> Element? {
        guard let last = elements.popLast() else { return nil }
        guard let first = elements.first else { return last }
        replaceFirst(with: last)
        return first
    }

    /// There is one at least.
    mutating func replaceFirst(with element: Element) {
        elements[0] = element
        var at = 0
        while true {
            var least = at
            for child in [2 * at + 1, 2 * at + 2] where child < elements.count && elements[child] < elements[least] {
                least = child
            }
            if least == at { return }
            elements.swapAt(at, least)
            at = least
        }
    }
}
