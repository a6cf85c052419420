import Faults
import JSON
import Testing

@Suite struct JSONParsingTests {
    @Test func `one document becomes one value`() throws {
        let value = try JSONValue(parsing: #" {"a": [1, -2.5, true, false, null, "x\u00e9"], "b": {}} "#)
        #expect(value == ["a": [1, -2.5, true, false, nil, "xé"], "b": [:]])
        #expect(value["a"]?[1]?.numberValue == -2.5)
    }

    @Test func `an integer past 64 bits becomes a number`() throws {
        #expect(try JSONValue(parsing: "18446744073709551615") == .number(18_446_744_073_709_551_616))
        #expect(
            try JSONValue(parsing: "[100000000000000000000, 9223372036854775807, -100000000000000000000]")
                == [.number(1e20), .integer(.max), .number(-1e20)])
    }

    @Test(arguments: [
        ("", "byte 0"), ("  ", "byte 2"), ("{\n  \"a\": tru\n}", "line 2, column 8 (byte 9)"), ("[1,]", "byte 3"),
        ("[1 2]", "byte 3"),
        ("{a:1}", "byte 1"), ("{\"a\" 1}", "byte 5"), ("{\"a\":1,}", "byte 7"), ("[1] []", "byte 4"), ("01", "byte 0"),
        ("1.", "byte 0"),
        ("1e", "byte 0"), ("+1", "byte 0"), ("1e999", "byte 0"), ("\"a", "byte 0"), ("\"a\nb\"", "byte 2"), ("\"\\x\"", "byte 1"),
        ("\"\\u12g4\"", "byte 1"), ("\"\\ud800\"", "byte 1"), ("\"\\udc00\"", "byte 1"), ("[", "byte 1"), ("nul", "byte 0"),
        ("'a'", "byte 0"), ("// c\n1", "byte 0"), ("NaN", "byte 0"), ("-", "byte 0"), ("{\"a\":", "byte 5"), ("]", "byte 0"),
    ])
    func `what is not JSON is refused where it goes wrong`(text: String, place: String) throws {
        let fault = try #require(throws: Fault.self) { try JSONValue(parsing: text) }
        #expect(fault.kind == .usage)
        #expect(fault.why.contains(place), "\(text): \(fault.why)")
    }

    @Test(
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22],
        ] as [[UInt8]])
    func `bytes that are not UTF-8 are refused`(bytes: [UInt8]) throws {
        let fault = try #require(throws: Fault.self) { try JSONValue(parsing: bytes) }
        #expect(fault.why.contains("byte 1"), "\(fault.why)")
        #expect(fault.why.contains("UTF-8"))
    }

    @Test(arguments: [#"{"a":{"model":1,"model":2}}"#, #"{"a":{"model":1,"mod\u0065l":2}}"#])
    func `a repeated key is refused, also when an escape hides it`(text: String) throws {
        let fault = try #require(throws: Fault.self) { try JSONValue(parsing: text) }
        #expect(fault.why.contains("'/a'") && fault.why.contains("'model'"), "\(fault.why)")
    }

    @Test func `512 levels are read and 513 are refused`() throws {
        func nested(_ depth: Int, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        }
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let value = try JSONValue(parsing: nested(512, open, close))
            #expect(value.canonicalText == nested(512, open, close))
            let fault = try #require(throws: Fault.self) { try JSONValue(parsing: nested(513, open, close)) }
            #expect(fault.why.contains("512"), "\(fault.why)")
            #expect(throws: Fault.self) { try JSONValue(parsing: String(repeating: open, count: 1_000_000)) }
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `damaged documents are refused or read, never a crash`(seed: UInt64) {
        var random = SeededRandom(state: seed)
        var bytes = Array(JSONValue.random(depth: 0, using: &random).canonicalText.utf8)
        for _ in 0..<3 where !bytes.isEmpty {
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        do {
            let value = try JSONValue(parsing: bytes)
            #expect(try JSONValue(parsing: value.canonicalText).canonicalText == value.canonicalText)
        } catch {
            // A refusal that the survey did not explain would say no place.
            #expect(error.why.contains("byte") || error.why.contains("more than once"), "\(error.why)")
        }
    }
}
