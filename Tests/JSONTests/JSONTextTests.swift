import Faults
import JSON
import Testing

@Suite struct JSONTextTests {
    @Test func `canonical text sorts keys by their UTF-16 units`() throws {
        // The example of RFC 8785 section 3.2.3.
        let value = try JSONValue(
            parsing:
                #"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"o"}"#
        )
        #expect(
            value.canonicalText
                == "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"o\",\"\u{20ac}\":\"Euro Sign\",\"\u{1F600}\":\"Emoji\",\"\u{fb33}\":\"Hebrew\"}"
        )
    }

    /// Appendix B of RFC 8785, without the values it refuses.
    @Test(arguments: [
        (0x0000_0000_0000_0000 as UInt64, "0"), (0x8000_0000_0000_0000, "0"), (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"), (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"), (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"), (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"), (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"), (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"), (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"), (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"), (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"), (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ])
    func `numbers are written as ECMAScript writes them`(bits: UInt64, text: String) {
        #expect(JSONValue.number(Double(bitPattern: bits)).canonicalText == text)
    }

    @Test func `numbers that are not finite are written as null`() {
        #expect(JSONValue.array([.number(.nan), .number(.infinity), .number(-.infinity)]).canonicalText == "[null,null,null]")
    }

    @Test func `integers keep all their digits`() throws {
        for value in [Int64.min, -1, 0, 9_007_199_254_740_993, Int64.max] {
            #expect(JSONValue.integer(value).canonicalText == String(value))
            #expect(try JSONValue(parsing: String(value)) == .integer(value))
        }
    }

    @Test func `only what must be escaped is escaped`() {
        #expect(JSONValue.string("\u{8}\t\n\u{c}\r\u{1f}\"\\/\u{7f}é€").canonicalText == #""\b\t\n\f\r\u001f\"\\/"# + "\u{7f}é€\"")
    }

    @Test func `pretty text is indented by two spaces`() {
        let value: JSONValue = ["b": [1, ["c": nil]], "a": [], "d": [:]]
        #expect(
            value.prettyText == """
                {
                  "a": [],
                  "b": [
                    1,
                    {
                      "c": null
                    }
                  ],
                  "d": {}
                }
                """)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `canonical text reads back as itself`(seed: UInt64) throws {
        var random = SeededRandom(state: seed)
        let text = JSONValue.random(depth: 0, using: &random).canonicalText
        #expect(try JSONValue(parsing: text).canonicalText == text)
        #expect(try JSONValue(parsing: JSONValue(parsing: text).prettyText).canonicalText == text)
    }
}

struct SeededRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension JSONValue {
    static func random(depth: Int, using random: inout some RandomNumberGenerator) -> JSONValue {
        switch Int.random(in: 0..<(depth < 5 ? 8 : 6), using: &random) {
        case 0: .null
        case 1: .bool(.random(using: &random))
        case 2: .integer(.random(in: .min ... .max, using: &random))
        case 3: .number(Double(bitPattern: random.next()))
        case 4: .number(Double(Int.random(in: -1_000_000...1_000_000, using: &random)) * 1e15)
        case 5: .string(text(using: &random))
        case 6: .array((0..<Int.random(in: 0..<4, using: &random)).map { _ in .random(depth: depth + 1, using: &random) })
        default:
            .object(
                Dictionary(
                    (0..<Int.random(in: 0..<4, using: &random)).map { _ in
                        (text(using: &random), .random(depth: depth + 1, using: &random))
                    }, uniquingKeysWith: { first, _ in first }))
        }
    }

    private static func text(using random: inout some RandomNumberGenerator) -> String {
        let scalars = (0..<Int.random(in: 0..<6, using: &random)).compactMap { _ in
            UnicodeScalar(UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7F : 0x10FFFF), using: &random))
        }
        return String(String.UnicodeScalarView(scalars))
    }
}
