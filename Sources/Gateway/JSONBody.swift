internal import CJSON
import Faults
import JSON
import Sockets

/// A JSON pointer (RFC 6901) taken apart once, when a routing table is built.
@safe final class JSONPointer: @unchecked Sendable {  // immutable after init
    fileprivate let handle: OpaquePointer
    let text: String

    /// Nil when `text` is not a pointer.
    init?(_ text: String) {
        var copy = text
        let handle = copy.withUTF8 { bytes in
            unsafe bytes.withMemoryRebound(to: CChar.self) { unsafe claw_json_pointer_new($0.baseAddress, $0.count) }
        }
        guard let handle = unsafe handle else { return nil }
        (self.text, unsafe self.handle) = (text, unsafe handle)
    }

    deinit { unsafe claw_json_pointer_free(handle) }
}

/// Looks into the JSON bodies that pass one loop. Keeps its memory from body to body: no allocation once it has grown.
@safe final class JSONBody {
    /// What a pointer leads to; offsets into the body.
    enum Place: Equatable {
        case value(Range<Int>)
        /// Nothing there yet, but an object that can hold it; `isFirst` when that object is empty.
        case absent(insertAt: Int, isFirst: Bool)
        case noParent
        /// A key on the way stands twice: readers would disagree on which one counts.
        case repeated
    }

    private let checker = unsafe claw_json_checker_new()

    deinit { unsafe claw_json_checker_free(checker) }

    /// Whether these are one JSON document in UTF-8, at most 512 levels deep. The other calls want bytes that passed here.
    func isValid(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        unsafe bytes.withMemoryRebound(to: CChar.self) { unsafe claw_json_check(checker, $0.baseAddress, $0.count) == 0 }
    }

    func find(_ pointer: JSONPointer, in bytes: UnsafeBufferPointer<UInt8>) -> Place {
        var place = claw_json_place()
        let found = unsafe bytes.withMemoryRebound(to: CChar.self) {
            unsafe claw_json_find($0.baseAddress, $0.count, pointer.handle, &place)
        }
        return switch found {
        case CLAW_JSON_VALUE: .value(place.start..<place.end)
        case CLAW_JSON_KEY_MISSING: .absent(insertAt: place.start, isFirst: false)
        case CLAW_JSON_KEY_MISSING_IN_EMPTY: .absent(insertAt: place.start, isFirst: true)
        case CLAW_JSON_REPEATED: .repeated
        default: .noParent
        }
    }

    /// The unit a pointer leads to: a string's text with its escapes resolved, or another value as it is written.
    /// Nil when there is none, or null.
    func withText<R>(of place: Place, in bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R? {
        guard case .value(let range) = place else { return nil }
        let value = unsafe UnsafeBufferPointer(rebasing: bytes[range])
        if unsafe value.elementsEqual("null".utf8) { return nil }
        guard unsafe value.first == UInt8(ascii: "\"") else { return unsafe body(value) }
        let inside = unsafe UnsafeBufferPointer(rebasing: value[1..<value.count - 1])
        if unsafe !inside.contains(UInt8(ascii: "\\")) { return unsafe body(inside) }
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: inside.count) { out in
            let count = unsafe inside.withMemoryRebound(to: CChar.self) {
                unsafe claw_json_unescape($0.baseAddress, $0.count, out.baseAddress)
            }
            return unsafe out.withMemoryRebound(to: UInt8.self) {
                unsafe body(UnsafeBufferPointer(start: $0.baseAddress, count: count))
            }
        }
    }
}
