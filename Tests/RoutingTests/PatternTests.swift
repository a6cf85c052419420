import JSON
import Testing

@testable import Routing

struct PatternTests {
    @Test(
        arguments: [
            ("abc", "xabcx", true), ("^abc", "xabc", false), ("abc$", "abcx", false), ("^$", "", true), ("a|b|c", "c", true),
            ("a.c", "a\nc", false), ("a.c", "abc", true), ("^a{2,3}$", "aaaa", false), ("^a{2,3}$", "aaa", true),
            ("^a{2}$", "aa", true),
            ("^a{2,}$", "aaaaa", true), ("^a{,3}$", "a{,3}", true), ("^(ab)+$", "ababab", true), ("^(?:ab)*c$", "ababc", true),
            ("^(?<name>a)$", "a", true), (#"^\d+-\w+$"#, "12-ab_3", true), (#"^\D\W\S$"#, "a-b", true),
            (#"\bfoo\b"#, "a foo b", true),
            (#"\bfoo\b"#, "afoob", false), (#"o\B"#, "foob", true), ("[a-c]x", "bx", true), ("[^a-c]x", "bx", false),
            (#"^[\w.-]+@[\w-]+\.com$"#, "first.last@host-1.com", true), ("^[]a]", "a", false), ("[^]", "\n", true),
            (#"^\x41\u0042$"#, "AB", true),
            ("^a*?b", "aaab", true), ("(a*)*b", "aaac", false), ("^(?=.*\\d)(?=.*[a-z]).{4,}$", "ab12", true),
            ("^(?=.*\\d)(?=.*[a-z]).{4,}$", "abcd", false), ("^(?!admin)", "administrator", false), ("^(?!admin)", "user", true),
            (#"^/path\/to"#, "/path/to/x", true), ("ä+", "Bäär", true), ("^.$", "é", true), ("a{1", "a{1", true),
            ("x}", "x}", true),
            (#"^\cA$"#, "\u{1}", true), (#"^\0$"#, "\0", true), (#"[\b]"#, "\u{8}", true), (#"^[\d-x]+$"#, "1-x", true),
            ("a||b", "", true),
        ] as [(String, String, Bool)])
    func `a pattern matches what it should`(pattern: String, text: String, matches: Bool) throws {
        #expect(try #require(Pattern(pattern)).matches(text) == matches)
    }

    @Test(arguments: [
        "*a", "a**", "a{3,2}", "(a", "a)", "[a", "[b-a]", #"(a)\1"#, #"\k<n>"#, "(?<=a)b", "(?<!a)b", "(?i)a", "a\\", "+", "a++",
        "^*",
        "{2}", "a{1001}", "(?<>a)", String(repeating: "(", count: 65) + String(repeating: ")", count: 65),
        String(repeating: "a", count: 1_025), "(a{1000}){1000}",
    ])
    func `a pattern that cannot be searched for is none`(pattern: String) {
        #expect(Pattern(pattern) == nil)
        #expect(Condition(["a": ["$regex": .string(pattern)]]).complaint != nil)
        #expect(!Condition(["a": ["$regex": .string(pattern)]]).matches(attributes: ["a": "a"]))
    }

    @Test func `letters fold where a pattern says so`() throws {
        #expect(try #require(Pattern("straße|ÄRGER", folded: true)).matches("der ärger"))
        #expect(try #require(Pattern("[A-F]{3}", folded: true)).matches("xabcx"))
        #expect(try #require(Pattern("[^a]", folded: true)).matches("A") == false)
        #expect(try #require(Pattern("ABC")).matches("abc") == false)
    }

    /// Each of these takes a backtracking matcher longer than the universe has existed. Counted, not timed: the work of a
    /// search is bounded by its pattern and its text.
    @Test(arguments: ["^(a+)+$", "^(a|aa)+$", "^(.*)*x$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "^(?=(a+)+$)(?=(a|a)*$)b"])
    func `no pattern makes a search explode`(pattern: String) throws {
        let text = String(repeating: "a", count: 5_000) + "!"
        #expect(try #require(Pattern(pattern)).matches(text) == false)
    }
}

struct ConditionTests {
    @Test func `an unknown operator holds for nobody, and is said`() {
        let condition = Condition(["name": ["$regx": "hello"]])
        #expect(condition.complaint == "there is no operator $regx")
        #expect(!condition.matches(attributes: ["name": "hello"]))
    }

    @Test func `a condition too deep or too large is refused, not followed`() {
        var deep: JSONValue = ["a": 1]
        for _ in 0..<10_000 { deep = ["$not": deep] }
        #expect(Condition(deep).complaint?.contains("deeper") == true)
        let wide = JSONValue.array((0..<30_000).map { .integer($0) })
        #expect(Condition(["a": ["$in": wide]]).complaint?.contains("parts") == true)
    }

    @Test func `it knows what it asks for`() {
        let condition = Condition([
            "$or": [["user.plan": "pro"], ["$not": ["country": "DE"]]], "$nor": [["age": ["$lt": 18]]], "$groups": ["$size": 1],
        ])
        #expect(condition.attributeNames == ["user", "country", "age", "$groups"])
        #expect(condition.complaint == nil)
    }

    @Test func `texts from headers compare with numbers and truths`() {
        #expect(Condition(["level": 3]).matches(attributes: ["level": "3"]))
        #expect(!Condition(["level": 3]).matches(attributes: [:]))
        #expect(Condition(["beta": true]).matches(attributes: ["beta": "true"]))
        #expect(!Condition(["beta": true]).matches(attributes: ["beta": AttributeSource.value("false")]))
        #expect(Condition(["age": ["$gte": 18]]).matches(attributes: ["age": "21"]))
        #expect(!Condition(["age": ["$gte": 18]]).matches(attributes: ["age": "young"]))
        #expect(Condition(["list.1": "b"]).matches(attributes: ["list": ["a", "b"]]))
    }

    @Test func `it is written and read as it was`() throws {
        let audience = Audience(
            namespace: Namespace(name: "checkout", lower: 0, upper: 5_000),
            condition: Condition(["country": ["$in": ["DE", "AT"]]]),
            attributes: ["country": .header("X-Country"), "plan": .token(pointer: "/plan")], groups: ["g": [1, "2"]], coverage: 250)
        let text = JSONValue(encoding: audience).canonicalText
        #expect(try JSONValue(parsing: text).decoded(as: Audience.self) == audience)
    }
}
