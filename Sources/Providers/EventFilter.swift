public import Sockets

/// A streamed answer of OpenAI's API on its way to the client: counted, and, where the client did not ask for the event that
/// tells the usage, without it. Events are passed on whole as soon as they are whole; nothing else is held back.
public struct EventFilter: ~Copyable {
    /// The event that only tells the usage is left out.
    public let strips: Bool
    /// The latest figures the provider told.
    public private(set) var figures: TokenFigures?
    /// Events that carried data: a provider streams about a token in each.
    public private(set) var events: Int64 = 0
    private var held = ByteBuffer()
    /// An event too long to be held: from here on everything passes.
    private var isOverfull = false

    static let eventBytesMax = 1 << 20

    public init(strips: Bool) { self.strips = strips }

    /// Takes the next bytes of the stream and appends what the client gets to `out`.
    public mutating func take(_ bytes: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) {
        if isOverfull {
            unsafe out.append(bytes)
            return
        }
        guard held.isEmpty else {
            unsafe held.append(bytes)
            var whole = ByteBuffer()
            swap(&whole, &held)
            unsafe takeEvents(whole.bytes, into: &out)
            return
        }
        unsafe takeEvents(bytes, into: &out)
    }

    /// The stream has ended: what is held is no whole event, and passes as it is.
    public mutating func finish(into out: inout ByteBuffer) {
        unsafe out.append(held.bytes)
        held.removeAll()
    }

    private mutating func takeEvents(_ bytes: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) {
        var start = 0
        var passed = 0
        while let end = unsafe EventFilter.endOfEvent(in: bytes, from: start) {
            let event = unsafe UnsafeBufferPointer(rebasing: bytes[start..<end])
            if unsafe isUsageAlone(event) {
                unsafe out.append(UnsafeBufferPointer(rebasing: bytes[passed..<start]))
                passed = end
            }
            start = end
        }
        unsafe out.append(UnsafeBufferPointer(rebasing: bytes[passed..<start]))
        guard start < bytes.count else { return }
        let rest = unsafe UnsafeBufferPointer(rebasing: bytes[start...])
        if rest.count > EventFilter.eventBytesMax {
            isOverfull = true
            unsafe out.append(rest)
        } else {
            unsafe held.append(rest)
        }
    }

    /// Counts an event; true when it is the one that is left out.
    private mutating func isUsageAlone(_ event: UnsafeBufferPointer<UInt8>) -> Bool {
        guard unsafe EventFilter.data(of: event) != nil else { return false }
        guard let told = unsafe TokenFigures(lastIn: event) else {
            if unsafe !EventFilter.isDone(event) { events += 1 }
            return false
        }
        figures = told
        guard unsafe EventFilter.hasNoChoices(event) else {
            events += 1
            return false
        }
        return strips
    }

    private static func isDone(_ event: UnsafeBufferPointer<UInt8>) -> Bool {
        unsafe data(of: event)?.first == 0x5B  // data: [DONE]
    }

    /// What an event's first `data` line says, without the blanks around it; nil where it has none, or nothing on it.
    public static func data(of event: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        let name: StaticString = "data:"
        var start = 0
        while start < event.count {
            var end = start
            while end < event.count, unsafe event[end] != 0x0A { end += 1 }
            var isData = end - start > 5
            for index in 0..<5 where isData { isData = unsafe event[start + index] == name.utf8Start[index] }
            if isData {
                var (from, to) = (start + 5, end)
                while from < to, unsafe event[from] <= 0x20 { from += 1 }
                while to > from, unsafe event[to - 1] <= 0x20 { to -= 1 }
                return to > from ? unsafe UnsafeBufferPointer(rebasing: event[from..<to]) : nil
            }
            start = end + 1
        }
        return nil
    }

    /// `"choices": []`
    private static func hasNoChoices(_ event: UnsafeBufferPointer<UInt8>) -> Bool {
        let key: StaticString = "\"choices\""
        var at = 0
        while at + 9 < event.count {
            var index = 0
            while index < 9, unsafe event[at + index] == key.utf8Start[index] { index += 1 }
            if index == 9 {
                at += 9
                while at < event.count, unsafe event[at] <= 0x20 || event[at] == 0x3A { at += 1 }
                guard at < event.count, unsafe event[at] == 0x5B else { return false }
                at += 1
                while at < event.count, unsafe event[at] <= 0x20 { at += 1 }
                if at < event.count, unsafe event[at] == 0x5D { return true }
                return false
            }
            at += 1
        }
        return false
    }

    /// After the empty line that ends an event, in either way of ending lines.
    public static func endOfEvent(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        var at = start
        while at < bytes.count {
            if unsafe bytes[at] == 0x0A {
                if at + 1 < bytes.count, unsafe bytes[at + 1] == 0x0A { return at + 2 }
                if at + 2 < bytes.count, unsafe bytes[at + 1] == 0x0D, unsafe bytes[at + 2] == 0x0A { return at + 3 }
            }
            at += 1
        }
        return nil
    }
}
