/// What a model's answer says it used.
public struct TokenFigures: Equatable, Sendable {
    public var input: Int64 = 0
    public var output: Int64 = 0
    /// Of the input.
    public var cached: Int64 = 0

    public init(input: Int64 = 0, output: Int64 = 0, cached: Int64 = 0) {
        (self.input, self.output, self.cached) = (input, output, cached)
    }

    /// The last `"usage": {...}` in these bytes, as a provider's answer carries it; nil when there is none, or it is null, or it
    /// is not whole yet. The quotes of a text inside JSON are escaped, so that what a model says is not mistaken for it.
    public init?(lastIn bytes: UnsafeBufferPointer<UInt8>) {
        var end = bytes.count
        while let key = unsafe TokenFigures.lastKey(in: bytes, before: end) {
            var at = key + 7
            while at < bytes.count, unsafe bytes[at] <= 0x20 { at += 1 }
            if at < bytes.count, unsafe bytes[at] == 0x3A {
                at += 1
                while at < bytes.count, unsafe bytes[at] <= 0x20 { at += 1 }
                if at < bytes.count, unsafe bytes[at] == 0x7B, let figures = unsafe TokenFigures(object: bytes, from: at) {
                    self = figures
                    return
                }
            }
            end = key
        }
        return nil
    }

    /// Where the last `"usage"` before `end` begins.
    private static func lastKey(in bytes: UnsafeBufferPointer<UInt8>, before end: Int) -> Int? {
        let key: StaticString = "\"usage\""
        guard end >= 7 else { return nil }
        var at = end - 7
        while at >= 0 {
            // From the back, on the letter that is rare in JSON's own punctuation.
            if unsafe bytes[at + 4] == 0x67, unsafe bytes[at] == 0x22 {
                var index = 1
                while index < 7, unsafe bytes[at + index] == key.utf8Start[index] { index += 1 }
                if index == 7 { return at }
            }
            at -= 1
        }
        return nil
    }

    private enum Name { case input, output, cached }

    /// The numbers of the object that begins at `start`, those of its details included. Nil when it is not whole.
    private init?(object bytes: UnsafeBufferPointer<UInt8>, from start: Int) {
        var at = start
        var depth = 0
        var name: Name?
        while at < bytes.count {
            let byte = unsafe bytes[at]
            switch byte {
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D:
                depth -= 1
                if depth == 0 { return }
            case 0x22:
                let from = at + 1
                at = from
                while at < bytes.count, unsafe bytes[at] != 0x22 { at += unsafe bytes[at] == 0x5C ? 2 : 1 }
                guard at < bytes.count else { return nil }
                name = unsafe TokenFigures.name(bytes, from, at)
            case 0x30...0x39:
                var value: Int64 = 0
                while at < bytes.count, unsafe bytes[at] &- 0x30 < 10 {
                    value = min(value * 10 + Int64(unsafe bytes[at] - 0x30), 1 << 40)
                    at += 1
                }
                switch name {
                case .input: input = value
                case .output: output = value
                case .cached: cached = value
                case nil: break
                }
                name = nil
                continue
            default: break
            }
            at += 1
        }
        return nil
    }

    private static let names: [(text: StaticString, name: Name)] = [
        ("prompt_tokens", .input), ("completion_tokens", .output), ("cached_tokens", .cached), ("input_tokens", .input),
        ("output_tokens", .output),
    ]

    private static func name(_ bytes: UnsafeBufferPointer<UInt8>, _ from: Int, _ to: Int) -> Name? {
        for (text, name) in names where text.utf8CodeUnitCount == to - from {
            var index = 0
            while index < to - from, unsafe bytes[from + index] == text.utf8Start[index] { index += 1 }
            if index == to - from { return name }
        }
        return nil
    }

    /// How many tokens a text of so many bytes has, where nobody counts them: about four bytes each. Marked as estimated
    /// wherever it is used.
    public static func estimate(bytes: Int) -> Int64 { Int64((bytes + 3) / 4) }
}
