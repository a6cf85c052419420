import JSON
import Routing
import Sockets
import Statistics
import Testing

@testable import Gateway

@Suite struct RewriteTests {
    private func rewritten(_ body: String, _ fields: [String: JSONValue]) throws -> String {
        let rewrite = CompiledRewrite(Rewrite(json: fields, headers: [:]))
        var out = ByteBuffer()
        var copy = body
        try copy.withUTF8 { unsafe try rewrite.apply(to: $0, into: &out) }
        return unsafe String(decoding: out.bytes, as: UTF8.self)
    }

    @Test func `a field is replaced where it stands, and every other byte stays`() throws {
        #expect(
            try rewritten(#"{ "a" : 1.0e2,"model": "x" , "z":[ ]}"#, ["/model": "y"]) == #"{ "a" : 1.0e2,"model": "y" , "z":[ ]}"#)
        #expect(try rewritten(#"{"a":{"b":[{"c":1},{"c":{"d":2}}]}}"#, ["/a/b/1/c": 7]) == #"{"a":{"b":[{"c":1},{"c":7}]}}"#)
    }

    @Test func `a field that is not there is added to the object that holds it`() throws {
        #expect(try rewritten("{}", ["/model": "y"]) == #"{"model":"y"}"#)
        #expect(try rewritten(#"{"a":{}}"#, ["/a/x~1y": true, "/b": nil]) == #"{"a":{"x/y":true},"b":null}"#)
        #expect(try rewritten(#"{"a":1 }"#, ["/b": 2, "/c": 3]) == #"{"a":1 ,"b":2,"c":3}"#)
    }

    @Test func `an escaped key is the key it spells`() throws {
        #expect(try rewritten(#"{"mod\u0065l":"a"}"#, ["/model": "y"]) == #"{"mod\u0065l":"y"}"#)
        #expect(try rewritten(#"{"\ud83d\ude00":1}"#, ["/😀": 2]) == #"{"\ud83d\ude00":2}"#)
    }

    @Test(arguments: [
        #"{"model":"a","model":"b"}"#, #"{"model":"a","mod\u0065l":"b"}"#, #"{"mod\u0065l":"a","\u006dodel":"b"}"#,
    ])
    func `a key that stands twice is refused, so that no second model slips past`(body: String) {
        #expect(throws: CompiledRewrite.Refusal.repeatedKey(pointer: "/model")) { try rewritten(body, ["/model": "y"]) }
    }

    @Test(arguments: [
        "", "{", #"{"a":tru,"model":1}"#, #"{"model":1}}"#, #"{"model":1} {}"#, "{\"model\":\"\u{1}\"}", #"{"a":"\ud800"}"#,
    ])
    func `what is not one JSON document is refused`(body: String) {
        #expect(throws: CompiledRewrite.Refusal.notJSON) { try rewritten(body, ["/model": "y"]) }
    }

    @Test(arguments: ["[]", "1", #"{"a":1}"#, #"{"a":[1]}"#])
    func `a body without the object that could hold the field is refused`(body: String) {
        #expect(throws: CompiledRewrite.Refusal.noParent(pointer: "/a/b/c")) { try rewritten(body, ["/a/b/c": 1]) }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `random documents keep everything but the field`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let document = randomObject(depth: 0, using: &random)
        guard case .object(var members) = document else { return }
        let key = members.keys.sorted().randomElement(using: &random) ?? "new"
        let pointer = "/" + key.replacing("~", with: "~0").replacing("/", with: "~1")
        let text = try rewritten(document.prettyText, [pointer: ["set": 1]])
        members[key] = ["set": 1]
        #expect(try JSONValue(parsing: text) == .object(members), "seed \(seed)")
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `what the other parser of this house refuses is refused here, and nothing else`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pointer = try #require(JSONPointer("/model"))
        let valid = Array(#"[{"a":[1,-0.5,true,null,{"b":"x\"y\u00e9\ud83d\ude00é"}]},"z",[[]],{}, 12.25 ]"#.utf8)
        let changes = Array("{}[],:\" 01.-\\tfnu\u{1}\u{9}\u{a}é".utf8)
        for _ in 0..<300 {
            var bytes = valid
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = changes.randomElement(using: &random)!
                case 1: bytes.remove(at: at)
                default: bytes.insert(changes.randomElement(using: &random)!, at: at)
                }
            }
            let isValid = unsafe bytes.withUnsafeBufferPointer { unsafe pointer.find(in: $0) } != .invalid
            #expect(isValid == ((try? JSONValue(parsing: bytes)) != nil), "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a long array of numbers is checked as strictly as a short one`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pointer = try #require(JSONPointer("/model"))
        let changes = Array("0123456789.,-+eE \n".utf8)
        let numbers = [
            "0", "-0", "7", "-12", "0.5", "-0.25", "123456789012345678", "3.14159265358979312", "10", "-9.75", "1e5", "2.5E-3",
        ]
        for _ in 0..<60 {
            let separator = [",", ", ", " ,", ",\n "].randomElement(using: &random) ?? ","
            let choices = numbers.prefix(random.unit() < 0.5 ? 10 : 12)
            let array = (0..<Int.random(in: 1...120, using: &random)).map { _ in choices.randomElement(using: &random) ?? "0" }
            var inside = Array(array.joined(separator: separator).utf8)
            for _ in 0..<Int.random(in: 0...2, using: &random) where !inside.isEmpty {
                let at = Int.random(in: inside.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: inside[at] = changes.randomElement(using: &random) ?? 0x30
                case 1: inside.remove(at: at)
                default: inside.insert(changes.randomElement(using: &random) ?? 0x30, at: at)
                }
            }
            let text = String(decoding: inside, as: UTF8.self)
            let space = String(repeating: " ", count: Int.random(in: 0..<64, using: &random))
            let bytes = Array("\(space){\"a\":[\(text)],\"model\":\"x\"}".utf8)
            let place = unsafe bytes.withUnsafeBufferPointer { unsafe pointer.find(in: $0) }
            let end = bytes.count - 1
            let expected: JSONPointer.Place = areNumbers(text) ? .value(end - 3..<end) : .invalid
            #expect(place == expected, "seed \(seed): \(text)")
        }
    }

    /// The grammar of RFC 8259, said once more in another way.
    private func areNumbers(_ text: String) -> Bool {
        let elements = text.split(separator: ",", omittingEmptySubsequences: false).map { element in
            String(String(element.drop { " \n".contains($0) }.reversed()).drop { " \n".contains($0) }.reversed())
        }
        if elements == [""] { return true }
        return elements.allSatisfy { $0.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/) != nil }
    }

    private func randomObject(depth: Int, using random: inout SplitMix64) -> JSONValue {
        var members: [String: JSONValue] = [:]
        let keys = ["a", "b/c", "d~e", "f\"g", "h\\", "\u{e9}", "", "]{,"]
        for key in keys where random.unit() < 0.5 { members[key] = randomValue(depth: depth + 1, using: &random) }
        return .object(members)
    }

    private func randomValue(depth: Int, using random: inout SplitMix64) -> JSONValue {
        switch Int.random(in: 0..<(depth > 3 ? 4 : 6), using: &random) {
        case 0: return .integer(Int64.random(in: -5...5, using: &random))
        case 1: return .string(["", "\"", "}", "\\\"", "x,y:z"].randomElement(using: &random)!)
        case 2: return .bool(true)
        case 3: return .null
        case 4:
            return .array((0..<Int.random(in: 0..<4, using: &random)).map { _ in randomValue(depth: depth + 1, using: &random) })
        default: return randomObject(depth: depth + 1, using: &random)
        }
    }
}
