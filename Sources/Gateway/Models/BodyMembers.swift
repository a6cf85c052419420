internal import CJSON

/// The members of an object in a raw body, each once and under a plain name: what a second reader could take for something
/// else is refused, so that no model, message or parameter slips past the one that is set.
@safe struct BodyMembers {
    /// Why a body cannot be taken apart.
    enum Refusal: Error, Equatable {
        case notJSON
        case notAnObject
        case tooMany
        case repeated(key: String)
        case escaped(key: String)
    }

    // Both outlive the closure that is given the members, and nobody keeps them longer.
    private let bytes: UnsafeBufferPointer<UInt8>
    private let members: UnsafeBufferPointer<claw_json_member>
    /// As many as the stack has room for: memory that is asked for would be the dearest part of reading a small object.
    static let countMax = 64

    private init(_ bytes: UnsafeBufferPointer<UInt8>, _ members: UnsafeBufferPointer<claw_json_member>) {
        (unsafe self.bytes, unsafe self.members) = (unsafe bytes, unsafe members)
    }

    /// Calls `body` with the members of the object that `bytes` are.
    static func read<R>(
        _ bytes: UnsafeBufferPointer<UInt8>, _ body: (BodyMembers) throws(ChatRefusal) -> R
    ) throws(ChatRefusal) -> R {
        var result: Result<R, ChatRefusal>?
        unsafe withUnsafeTemporaryAllocation(of: claw_json_member.self, capacity: countMax) { space in
            let count = unsafe claw_json_members(bytes.baseAddress, bytes.count, space.baseAddress, space.count)
            guard count >= 0 else {
                result = .failure(.body(refusal(count)))
                return
            }
            let members = unsafe BodyMembers(bytes, UnsafeBufferPointer(start: space.baseAddress, count: count))
            do throws(ChatRefusal) {
                try members.check()
                result = .success(try body(members))
            } catch {
                result = .failure(error)
            }
        }
        guard let result else { preconditionFailure("the closure ran") }
        return try result.get()
    }

    private static func refusal(_ code: Int) -> Refusal {
        switch code {
        case Int(CLAW_JSON_MEMBERS_NO_OBJECT): .notAnObject
        case Int(CLAW_JSON_MEMBERS_TOO_MANY): .tooMany
        default: .notJSON
        }
    }

    private func check() throws(ChatRefusal) {
        for index in 0..<count {
            let key = self.key(index)
            if unsafe members[index].key_is_escaped != 0 { throw .body(.escaped(key: text(key))) }
            for other in 0..<index where holds(self.key(other), sameAs: key) { throw .body(.repeated(key: text(key))) }
        }
    }

    var count: Int { unsafe members.count }
    func key(_ index: Int) -> Range<Int> {
        let start = unsafe Int(members[index].key_start)
        return start..<start + (unsafe Int(members[index].key_count))
    }
    func value(_ index: Int) -> Range<Int> { unsafe Int(members[index].value_start)..<Int(members[index].value_end) }
    /// From the key's quote to the value's end.
    func whole(_ index: Int) -> Range<Int> { unsafe Int(members[index].key_start) - 1..<Int(members[index].value_end) }

    /// The value under a name; nil where there is none.
    func value(named name: StaticString) -> Range<Int>? {
        for index in 0..<count where holds(key(index), name) { return value(index) }
        return nil
    }

    func value(named name: [UInt8]) -> Range<Int>? {
        for index in 0..<count where holds(key(index), name) { return value(index) }
        return nil
    }

    /// Whether the value is exactly this word: `true`, `null`.
    func says(_ word: StaticString, at range: Range<Int>?) -> Bool { range.map { holds($0, word) } ?? false }

    func holds(_ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        for index in 0..<range.count where unsafe bytes[range.lowerBound + index] != text.utf8Start[index] { return false }
        return true
    }

    func holds(_ range: Range<Int>, _ text: [UInt8]) -> Bool {
        guard range.count == text.count else { return false }
        return unsafe bytes.span.holds(text, at: range.lowerBound)
    }

    private func holds(_ a: Range<Int>, sameAs b: Range<Int>) -> Bool {
        guard a.count == b.count else { return false }
        for index in 0..<a.count where unsafe bytes[a.lowerBound + index] != bytes[b.lowerBound + index] { return false }
        return true
    }

    func text(_ range: Range<Int>) -> String {
        unsafe String(decoding: bytes.part(range), as: UTF8.self)
    }

    /// What stands between the quotes of a string; nil where the value is none.
    func inside(_ range: Range<Int>) -> Range<Int>? {
        guard range.count >= 2, unsafe bytes[range.lowerBound] == 0x22 else { return nil }
        return range.lowerBound + 1..<range.upperBound - 1
    }

    /// A whole number of 0 to a trillion; nil for anything else.
    func integer(_ range: Range<Int>?) -> Int64? {
        guard let range, !range.isEmpty, range.count <= 12 else { return nil }
        var value: Int64 = 0
        for index in range {
            guard unsafe bytes[index] &- 0x30 < 10 else { return nil }
            value = value * 10 + Int64(unsafe bytes[index] - 0x30)
        }
        return value
    }
}

/// Why a chat request was not passed on. The client is told with 400, and no provider sees it.
enum ChatRefusal: Error, Equatable {
    case body(BodyMembers.Refusal)
    case noMessages
    case badMessage(Int, why: String)
    case missingVariable(String, expected: String)
    case wrongVariable(String, expected: String)
    /// The prompt speaks of what the user wrote, and the last message of the user is no text.
    case noInput
    case badStreamOptions
    /// What it may cost at most cannot be told.
    case badNumber(String)
    case disguisedPath
}
