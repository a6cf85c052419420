import Faults
import JSON
import Routing
import Sockets

/// A variant's rewrite, made ready when the table is built: pointers taken apart, values as bytes.
struct CompiledRewrite: Sendable {
    struct Field: Sendable {
        let pointer: JSONPointer
        /// The last token of the pointer as a JSON string with its colon, for a field that is not there yet.
        let key: [UInt8]
        let value: [UInt8]
    }
    let fields: [Field]
    /// `Name: value\r\n`, with the names in lower case for dropping the client's own.
    let headers: [(name: [UInt8], line: [UInt8])]

    init(_ rewrite: Rewrite) {
        // The order of a dictionary may not reach the bytes.
        fields = rewrite.json.sorted { $0.key < $1.key }.compactMap { text, value -> Field? in
            guard let pointer = JSONPointer(text), let last = text.split(separator: "/", omittingEmptySubsequences: false).last
            else {
                return nil
            }
            let key = String(last.replacing("~1", with: "/").replacing("~0", with: "~"))
            return Field(
                pointer: pointer, key: Array((JSONValue.string(key).canonicalText + ":").utf8),
                value: Array(value.canonicalText.utf8))
        }
        headers = rewrite.headers.sorted { $0.key < $1.key }.map { name, value in
            (Array(name.lowercased().utf8), Array("\(name): \(value)\r\n".utf8))
        }
    }

    /// Why a body was not rewritten. The client is told with 400, and no upstream sees the request.
    enum Refusal: Error, Equatable {
        case notJSON
        case repeatedKey(pointer: String)
        case noParent(pointer: String)

        var fault: Fault {
            let what = "The request's body cannot be rewritten for this route."
            return switch self {
            case .notJSON:
                Fault(.usage, what: what, why: "It is not one JSON document in UTF-8.", fix: "Send valid JSON.")
            case .repeatedKey(let pointer):
                Fault(
                    .usage, what: what, why: "A key on the way to \(pointer) stands twice in its object, perhaps escaped.",
                    fix: "Send every key once.")
            case .noParent(let pointer):
                Fault(.usage, what: what, why: "Nothing in it can hold \(pointer).", fix: "Send the object that holds this field.")
            }
        }
    }

    /// One field's change of one body: what is cut out, and what stands there instead.
    struct Edit {
        let cut: Range<Int>
        let comma: Bool
        let key: [UInt8]
        let value: [UInt8]

        /// How much longer the body becomes.
        var growth: Int { (comma ? 1 : 0) + key.count + value.count - cut.count }

        /// Appends the changed body.
        func write(_ bytes: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) {
            unsafe out.append(UnsafeBufferPointer(rebasing: bytes[..<cut.lowerBound]))
            if comma { out.append(byte: UInt8(ascii: ",")) }
            out.append(key)
            out.append(value)
            unsafe out.append(UnsafeBufferPointer(rebasing: bytes[cut.upperBound...]))
        }
    }

    /// Where one field stands in a body, or would.
    func edit(_ field: Field, in bytes: UnsafeBufferPointer<UInt8>) throws(Refusal) -> Edit {
        switch unsafe field.pointer.find(in: bytes) {
        case .value(let range): return Edit(cut: range, comma: false, key: [], value: field.value)
        case .absent(let at, let isFirst): return Edit(cut: at..<at, comma: !isFirst, key: field.key, value: field.value)
        case .invalid: throw .notJSON
        case .noParent: throw .noParent(pointer: field.pointer.text)
        case .repeated: throw .repeatedKey(pointer: field.pointer.text)
        }
    }

    /// The body with every field set, appended to `out`: one after the other, each on the result of the one before.
    func apply(to bytes: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) throws(Refusal) {
        var current = ByteBuffer()
        unsafe current.append(bytes)
        for field in fields {
            var next = ByteBuffer()
            unsafe try edit(field, in: current.bytes).write(current.bytes, into: &next)
            current = next
        }
        unsafe out.append(current.bytes)
    }
}
