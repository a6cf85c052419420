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

    /// The body with every field set, appended to `out`.
    func apply(to bytes: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) throws(Refusal) {
        if fields.count == 1 { return unsafe try set(fields[0], in: bytes, into: &out) }
        // Several fields: one after the other, each on the result of the one before.
        var current = ByteBuffer()
        unsafe current.append(bytes)
        for field in fields {
            var next = ByteBuffer()
            unsafe try set(field, in: current.bytes, into: &next)
            current = next
        }
        unsafe out.append(current.bytes)
    }

    private func set(_ field: Field, in bytes: UnsafeBufferPointer<UInt8>, into out: inout ByteBuffer) throws(Refusal) {
        let cut: Range<Int>
        var comma = false
        var isNew = false
        switch unsafe field.pointer.find(in: bytes) {
        case .value(let range): cut = range
        case .absent(let at, let isFirst): (cut, comma, isNew) = (at..<at, !isFirst, true)
        case .invalid: throw .notJSON
        case .noParent: throw .noParent(pointer: field.pointer.text)
        case .repeated: throw .repeatedKey(pointer: field.pointer.text)
        }
        unsafe out.append(UnsafeBufferPointer(rebasing: bytes[..<cut.lowerBound]))
        if comma { out.append(byte: UInt8(ascii: ",")) }
        if isNew { out.append(field.key) }
        out.append(field.value)
        unsafe out.append(UnsafeBufferPointer(rebasing: bytes[cut.upperBound...]))
    }
}
