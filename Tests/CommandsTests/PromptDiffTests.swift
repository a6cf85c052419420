import JSON
import Testing

@testable import Commands

@Suite struct PromptDiffTests {
    private func diff(_ old: [String: JSONValue], _ new: [String: JSONValue]) throws -> JSONValue {
        PromptDiff.changes(from: old, to: new, try PromptVersionName("support@v3"), try PromptVersionName("support@v4"))
    }

    @Test func `texts are compared line by line, members as a whole`() throws {
        let facts = try diff(
            ["system": "a\nb\nc", "temperature": 0.2, "model": "m"], ["system": "a\nB\nc", "temperature": 0.4, "model": "m"])
        #expect(
            PromptDiff.text(facts, .plain) == """
                support@v3 -> support@v4
                system
                    a
                  - b
                  + B
                    c
                temperature
                  - 0.2
                  + 0.4
                """)
        #expect(PromptDiff.text(facts, .coloured).contains("\u{1B}[31m  - b\u{1B}[0m"))
    }

    @Test func `far from a change nothing is shown`() throws {
        let long = (0..<20).map(String.init).joined(separator: "\n")
        let facts = try diff(["system": .string(long)], ["system": .string(long + "\nnew")])
        #expect(PromptDiff.text(facts, .plain) == "support@v3 -> support@v4\nsystem\n    ...\n    17\n    18\n    19\n  + new")
    }

    @Test func `versions that say the same are said to`() throws {
        #expect(PromptDiff.text(try diff(["user": "x"], ["user": "x"]), .plain) == "support@v3 and support@v4 say the same")
    }
}
