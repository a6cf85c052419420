import JSON

/// A version as text whose order is the versions' order: numbers are padded to one width, a release comes after its
/// pre-releases, build metadata and a leading `v` do not count.
struct VersionText: Equatable {
    /// Wider than any number a 64-bit counter prints.
    private static let width = 20
    private let bytes: [UInt8]

    init(_ value: JSONValue) {
        switch value {
        case .string(let text) where !text.isEmpty: self.init(text)
        case .integer, .number: self.init(value.canonicalText)
        default: self.init("0")
        }
    }

    init(_ text: String) {
        var core = text.utf8[...]
        if core.first == UInt8(ascii: "v") { core = core.dropFirst() }
        if let plus = core.firstIndex(of: UInt8(ascii: "+")) { core = core[..<plus] }
        var parts = core.split(omittingEmptySubsequences: false) { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
            .map { Array($0) }
        // Three parts are a release; the last visible character puts it behind whatever names a pre-release of it.
        if parts.count == 3 { parts.append([UInt8(ascii: "~")]) }
        bytes = Array(parts.map(VersionText.padded).joined(separator: [UInt8(ascii: "-")]))
    }

    private static func padded(_ part: [UInt8]) -> [UInt8] {
        guard !part.isEmpty, part.count < width, part.allSatisfy({ (0x30...0x39).contains($0) }) else { return part }
        return Array(repeating: UInt8(ascii: " "), count: width - part.count) + part
    }

    func order(to other: VersionText) -> LooseValue.Order {
        if bytes == other.bytes { return .equal }
        return bytes.lexicographicallyPrecedes(other.bytes) ? .less : .greater
    }
}
