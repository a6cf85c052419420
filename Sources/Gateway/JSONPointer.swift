internal import CJSON

/// A JSON pointer (RFC 6901) taken apart once, when a routing table is built.
@safe final class JSONPointer: @unchecked Sendable {  // immutable after init
    /// What a pointer leads to; offsets into the body.
    enum Place: Equatable {
        case value(Range<Int>)
        /// Nothing there yet, but an object that can hold it; `isFirst` when that object is empty.
        case absent(insertAt: Int, isFirst: Bool)
        case noParent
        /// A key on the way stands twice: readers would disagree on which one counts.
        case repeated
        /// Not one JSON document in UTF-8, at most 512 levels deep.
        case invalid
    }

    let text: String
    private let handle: OpaquePointer

    /// Nil when `text` is not a pointer of at most 64 tokens.
    init?(_ text: String) {
        var copy = text
        let handle = copy.withUTF8 { bytes in
            unsafe bytes.withMemoryRebound(to: CChar.self) { unsafe claw_json_pointer_make($0.baseAddress, $0.count) }
        }
        guard let handle = unsafe handle else { return nil }
        (self.text, unsafe self.handle) = (text, unsafe handle)
    }

    deinit { unsafe claw_json_pointer_free(handle) }

    /// Where it leads in a raw body. The whole body is checked on the way; nothing is allocated.
    func find(in bytes: UnsafeBufferPointer<UInt8>) -> Place {
        var place = claw_json_place()
        return switch unsafe claw_json_locate(bytes.baseAddress, bytes.count, handle, &place) {
        case CLAW_JSON_FOUND: .value(place.start..<place.end)
        case CLAW_JSON_KEY_MISSING: .absent(insertAt: place.start, isFirst: place.object_is_empty != 0)
        case CLAW_JSON_DUPLICATE: .repeated
        case CLAW_JSON_INVALID: .invalid
        default: .noParent
        }
    }
}

extension JSONPointer.Place {
    /// The value as an identity: a string's text with its escapes resolved, another value as it is written. Nil when there is
    /// none, or null.
    func withText<R>(in bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R? {
        guard case .value(let range) = self else { return nil }
        let value = unsafe UnsafeBufferPointer(rebasing: bytes[range])
        if unsafe value.elementsEqual("null".utf8) { return nil }
        guard unsafe value.first == UInt8(ascii: "\"") else { return unsafe body(value) }
        let inside = unsafe UnsafeBufferPointer(rebasing: value[1..<value.count - 1])
        if unsafe !inside.contains(UInt8(ascii: "\\")) { return unsafe body(inside) }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: inside.count) { out in
            let count = unsafe claw_json_unescape(inside.baseAddress, inside.count, out.baseAddress)
            return unsafe body(UnsafeBufferPointer(start: out.baseAddress, count: count))
        }
    }
}
