internal import CJSON
import HTTP
import Providers
import Sockets

/// Whether an answer has begun to say something. A provider's head, comments that keep a connection alive and an event that only
/// names the role cost it nothing: until a token is there nothing goes to the client, so that another provider can still be
/// asked within the same time.
enum FirstToken {
    /// An opening longer than this goes to the client as it is.
    static let bytesMax = 64 << 10

    /// `bytes` begin with the head in `response`.
    static func isThere(_ response: borrowing ResponseParser, in bytes: UnsafeBufferPointer<UInt8>, kind: ModelExchange.Kind)
        -> Bool
    {
        guard bytes.count < bytesMax else { return true }
        let body = unsafe UnsafeBufferPointer(rebasing: bytes[response.count...])
        guard kind == .events else { return !body.isEmpty }
        switch response.body {
        case .none: return true
        case .length(let length): return unsafe body.count >= length || speaks(body)
        case .untilClose: return unsafe speaks(body)
        case .chunked:
            var plain = ByteBuffer()
            var decoder = ChunkedDecoder()
            var at = 0
            while true {
                switch unsafe decoder.next(body.span, at: &at) {
                case .data(let piece): unsafe plain.append(body.part(piece))
                case .needsMore: return unsafe speaks(plain.bytes)
                case .end, .refused: return true
                }
            }
        }
    }

    /// Whether one of the whole events here carries content.
    private static func speaks(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var start = 0
        while let end = unsafe EventFilter.endOfEvent(in: bytes, from: start) {
            if unsafe carriesContent(UnsafeBufferPointer(rebasing: bytes[start..<end])) { return true }
            start = end
        }
        return false
    }

    /// Everything but comments, the first events of a response that was only accepted, and a delta that is empty but for its role.
    static func carriesContent(_ event: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let data = unsafe EventFilter.data(of: event) else { return false }
        guard unsafe data.first == 0x7B else { return !data.isEmpty }
        if case .value(let range) = unsafe type.find(in: data) {
            return !openings.contains { unsafe data.part(range).elementsEqual($0) }
        }
        guard case .value(let finish) = unsafe finishReason.find(in: data), unsafe data.part(finish).elementsEqual(null) else {
            return unsafe !isEmptyText(data) && !isEmptyDelta(data, mayEnd: true)
        }
        return unsafe !isEmptyText(data) && !isEmptyDelta(data, mayEnd: false)
    }

    /// `finish_reason` may be missing from an opening; where it stands and is not null, the answer is over.
    private static func isEmptyDelta(_ data: UnsafeBufferPointer<UInt8>, mayEnd: Bool) -> Bool {
        if mayEnd, case .value = unsafe finishReason.find(in: data) { return false }
        guard case .value(let range) = unsafe delta.find(in: data) else { return false }
        do throws(ChatRefusal) {
            return try unsafe BodyMembers.read(data.part(range)) { members in
                for index in 0..<members.count where !members.holds(members.key(index), "role") {
                    let value = members.value(index)
                    let isNothing = members.holds(value, "null") || members.holds(value, "\"\"") || members.holds(value, "[]")
                    if !isNothing { return false }
                }
                return true
            }
        } catch {
            return false
        }
    }

    /// Of the older completions.
    private static func isEmptyText(_ data: UnsafeBufferPointer<UInt8>) -> Bool {
        guard case .value(let range) = unsafe text.find(in: data) else { return false }
        if case .value(let finish) = unsafe finishReason.find(in: data), unsafe !data.part(finish).elementsEqual(null) {
            return false
        }
        return range.count == 2
    }

    private static let null = Array("null".utf8)
    private static let openings = ["response.created", "response.in_progress", "response.queued", "ping"].map {
        Array("\"\($0)\"".utf8)
    }
    private static let type = pointer("/type")
    private static let delta = pointer("/choices/0/delta")
    private static let text = pointer("/choices/0/text")
    private static let finishReason = pointer("/choices/0/finish_reason")

    private static func pointer(_ text: String) -> JSONPointer {
        guard let pointer = JSONPointer(text) else { preconditionFailure("\(text) is a pointer") }
        return pointer
    }
}
