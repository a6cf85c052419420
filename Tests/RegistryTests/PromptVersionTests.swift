import Faults
import JSON
import Testing
import YAML

@testable import Registry

@Suite struct PromptVersionTests {
    static let support = """
        prompt:
          name: support
          versions:
            v3:
              system: |
                You help customers of a bank.
                Your tone is {{ tone }}. Answer in at most {{words}} words.
              user: "Question: {{input}}{{note}}"
              variables:
                tone: { type: enum, values: [warm, brief], default: warm }
                words: number
                note: { type: string, required: false }
              model: gpt-4o-mini
              temperature: 0.2
              max_tokens: 300
              stop: ["END"]
              parameters: { top_k: 40 }
              tools:
                - { type: function, function: { name: balance, parameters: { type: object } } }
              response_format: { type: json_object }
        """

    private func v3() throws -> Prompt.Template {
        try #require(try Prompt(resource(Self.support)).versions["v3"])
    }

    @Test func `a version is read whole, and travels as JSON without a change`() throws {
        let template = try v3()
        #expect(template.parameters == ["temperature": 0.2, "max_tokens": 300, "stop": ["END"], "top_k": 40])
        #expect(template.variables?["tone"] == PromptVariable(.enum, values: ["warm", "brief"], standard: "warm"))
        #expect(template.variables?["note"] == PromptVariable(.string, required: false))
        #expect(template.tools?[0]?["function"]?["name"] == "balance")
        #expect(try JSONValue(encoding: template).decoded(as: Prompt.Template.self) == template)
    }

    @Test func `what a version does not say is not in its digest`() throws {
        #expect(JSONValue(encoding: Prompt.Template(system: "S")).canonicalText == #"{"system":"S"}"#)
    }

    @Test func `one version may stand beside the prompt's name`() throws {
        let prompt = try Prompt(resource("prompt: { name: p, version: v1, system: S, temperature: 1 }"))
        #expect(prompt.versions.keys.sorted() == ["v1"])
        #expect(prompt.versions["v1"]?.parameters == ["temperature": 1])
    }

    @Test(arguments: [
        ("system: \"{{tone}}\"", "{{tone}} is not declared", "line 1"),
        ("system: \"{{input}}\"", "{{input}} is not declared", "stands in `user:` only"),
        ("system: \"{{\"", "cannot be read", "{{ has no }}"),
        ("system: \"{{a b}}!{{c-d}}\", variables: { ab: string }", "cannot be read", "'c-d' is not the name"),
        ("system: S, variables: { q: string }", "'q' is used nowhere", "neither"),
        ("system: \"{{q}}\", variables: { q: text }", "'text' is not a type", "string, number, boolean, enum"),
        ("system: \"{{q}}\", variables: { q: enum }", "has no values", "what it may be"),
        ("system: \"{{q}}\", variables: { q: { type: number, default: many } }", "default of 'q'", "is not a number"),
        ("system: \"{{q}}\", variables: { q: { type: number, default: \"3\" } }", "default of 'q'", "is not a number"),
        ("user: \"{{input}}\", variables: { input: string }", "'input' cannot be", "what the user wrote"),
        ("system: S, temperature: 3", "`temperature` cannot be 3", "from 0 to 2"),
        ("system: S, temprature: 1", "`temprature` is not known", "read strictly"),
        ("system: S, parameters: { messages: [] }", "`messages` is not a parameter", "the gateway itself"),
        ("system: S, temperature: 1, parameters: { temperature: 1 }", "`temperature` is given twice", "also stands"),
        ("system: S, tools: [{ name: x }]", "`type:` is missing", "cannot be read without it"),
    ])
    func `a mistake in a version is found before it is registered, with its line`(says: String, what: String, why: String) throws {
        let fault = try #require(throws: Fault.self) { try Prompt(resource("prompt: { name: p, versions: { v1: { \(says) } } }")) }
        #expect(fault.what.contains(what), "\(fault)")
        #expect(fault.why.contains(why), "\(fault)")
        #expect(fault.why.contains("line 1"))
    }

    @Test func `a version is rendered as the model gets it`() throws {
        let body = try v3().rendered(with: ["words": 40], input: "Where is my card?")
        #expect(
            body["messages"] == [
                ["role": "system", "content": "You help customers of a bank.\nYour tone is warm. Answer in at most 40 words.\n"],
                ["role": "user", "content": "Question: Where is my card?"],
            ])
        #expect(body["model"] == "gpt-4o-mini")
        #expect(body["top_k"] == 40)
        #expect(body["response_format"] == ["type": "json_object"])
    }

    @Test(
        arguments: [
            ([:], "'words' is missing"), (["words": "many"], "'words' is of another type"), (["words": "0x1"], "of another type"),
            (["words": 1, "tone": "rude"], "'tone' is of another type"), (["words": 1, "ton": "warm"], "no variable 'ton'"),
        ] as [([String: JSONValue], String)])
    func `a variable that is missing or of another type is a fault`(values: [String: JSONValue], what: String) throws {
        let template = try v3()
        #expect(try #require(throws: Fault.self) { try template.rendered(with: values, input: "x") }.what.contains(what))
    }

    @Test func `braces can stand for themselves`() throws {
        #expect(try PromptText(#"a {b} \{{c}} {{d}}"#).pieces == [.text("a {b} {{c}} "), .variable("d")])
    }

    @Test func `a draft starts from another version and is read as strictly as a file`() throws {
        let base = try v3()
        let next = try Prompt.draft("support", version: "v4", ["temperature": 0.4, "stop": nil, "system": "Hi"], from: base)
        let v4 = try #require(next.versions["v4"])
        #expect(v4.parameters == ["temperature": 0.4, "max_tokens": 300, "top_k": 40])
        #expect(v4.system == "Hi")
        #expect(throws: Fault.self) { try Prompt.draft("support", version: "v5", ["temprature": 1], from: base) }
    }
}
