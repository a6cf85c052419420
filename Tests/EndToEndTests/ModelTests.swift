import Faults
import HTTP
import JSON
import Processes
import Testing

/// The official `openai` client against the real daemon, in front of the server of examples/openai-server.
@Suite(.serialized, .enabled("the official OpenAI client can be installed") { await PythonClients.areThere() })
struct ModelTests {
    private func provider(_ workshop: Workshop, _ name: String, _ arguments: String...) async throws -> (
        server: Child, url: String
    ) {
        let server = try workshop.start(
            ["python3", "\(Workshop.root)/examples/openai-server/server.py"] + arguments, output: "\(name).log")
        let port = try await workshop.until("provider \(name) listens") {
            let words = workshop.read("\(name).log").split(whereSeparator: \.isWhitespace)
            return words.count == 3 ? words[2] : nil
        }
        return (server, "http://127.0.0.1:\(port)/v1")
    }

    private func client(_ workshop: Workshop, _ base: String) async throws -> [String: JSONValue] {
        let script = "\(Workshop.root)/Tests/Fixtures/Clients/openai_client.py"
        let child = try workshop.start([PythonClients.python, script, base], output: "client.log")
        let status = await child.wait(limit: .seconds(180))
        let output = workshop.read("client.log")
        guard case .exited(code: 0) = status else { throw Workshop.Late(description: "\(status)\n\(output)") }
        var told: [String: JSONValue] = [:]
        for line in output.split(separator: "\n") {
            let facts = try JSONValue(parsing: String(line))
            told[facts["did"]?.stringValue ?? "?"] = facts
        }
        return told
    }

    @Test func `an application needs nothing but another base_url`() async throws {
        let workshop = Workshop()
        let (first, second) = (
            try await provider(workshop, "first", "--errors", "1"), try await provider(workshop, "second", "--key", "sk-real")
        )
        let key = workshop.write("sk-real\n", as: "key")
        let file = workshop.write(
            """
            prompt:
              name: support
              versions:
                v3:
                  system: "Be {{tone}}."
                  variables: { tone: { type: enum, values: [kind, brief], default: kind } }
                  model: small
                  temperature: 0.2
            ---
            provider:
              name: second
              url: "\(second.url)"
              key: "file:\(key)"
              prices: { small: { input: 1000, output: 2000 } }
            ---
            provider: { name: first, url: "\(first.url)", fallback: [second], prices: { small: { input: 1000, output: 2000 } } }
            ---
            route:
              name: support
              api: openai
              match: { path: /v1 }
              unit: "header:X-User-Id"
              provider: first
              budget: 35 USD/day
              variants: { control: { prompt: support@v3 } }
            """, as: "support.yaml")
        let openclaw = try await Installation.start(in: workshop, applying: [file])
        let told = try await client(workshop, openclaw.gateway + "/v1")
        let kind = told["chat"]?["said"]?.stringValue ?? ""
        #expect(kind.contains("thank you for writing") && kind.contains("Where is my card?"))
        #expect(told["chat"]?["model"] == "small" && told["chat"]?["variant"] == "control")
        #expect(told["stream"]?["said"]?.stringValue == kind)
        #expect(told["stream"]?["with_usage"] == 0 && told["stream"]?["empty"] == 0)
        #expect(told["stream with usage"]?["choices"] == 0 && told["stream with usage"]?["total"] == told["chat"]?["total"])
        #expect(told["metadata"]?["said"] == "Done: Where is my card?." && told["variables"]?["said"] == told["metadata"]?["said"])
        #expect(told["refused"]?["status"] == 400 && told["refused"]?["message"]?.stringValue?.contains("'tone'") == true)
        #expect(told["embeddings"]?["count"] == 2 && told["models"]?["ids"] == ["large", "small"])
        #expect(told["budget"]?["status"] == 429 && told["budget"]?["code"] == "budget_reached")
        try await expectFigures(openclaw, told)
        #expect(!workshop.read("serve.log").contains("sk-real"))
        await openclaw.process.stop()
        await first.server.stop()
        await second.server.stop()
    }

    @Test func `a provider behind TLS is asked once its certificate is trusted, and not before`() async throws {
        let workshop = Workshop()
        let made = try workshop.start(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key", "-out", "tls.pem",
            ], output: "openssl.log")
        try #require(await made.wait(limit: .seconds(60)) == .exited(code: 0), "\(workshop.read("openssl.log"))")
        let (server, url) = try await provider(
            workshop, "secure", "--certificate", "\(workshop.folder)/tls.pem", "--certificate-key", "\(workshop.folder)/tls.key",
            "--key", "sk-real")
        let secure = url.replacing("http://127.0.0.1", with: "https://localhost")
        let key = workshop.write("sk-real\n", as: "key")
        let file = workshop.write(
            """
            prompt:
              name: support
              versions:
                v3:
                  system: "Be {{tone}}."
                  variables: { tone: { type: enum, values: [kind, brief], default: kind } }
                  model: small
            ---
            provider:
              name: secure
              url: "\(secure)"
              ca_file: "\(workshop.folder)/tls.pem"
              key: "file:\(key)"
              timeouts: { connect: 60s }
              prices: { small: { input: 1000, output: 2000 } }
            ---
            provider: { name: untrusted, url: "\(secure)", key: "file:\(key)", timeouts: { connect: 60s } }
            ---
            route:
              name: support
              api: openai
              match: { path: /v1 }
              unit: "header:X-User-Id"
              provider: secure
              budget: 35 USD/day
              variants: { control: { prompt: support@v3 } }
            ---
            route:
              name: untrusted
              api: openai
              match: { path: /untrusted }
              unit: "header:X-User-Id"
              provider: untrusted
              variants: { control: { provider: untrusted } }
            """, as: "support.yaml")
        let openclaw = try await Installation.start(in: workshop, applying: [file])
        let told = try await client(workshop, openclaw.gateway + "/v1")
        let kind = told["chat"]?["said"]?.stringValue ?? ""
        #expect(kind.contains("thank you for writing"))
        #expect(told["stream"]?["said"]?.stringValue == kind)
        #expect(told["embeddings"]?["count"] == 2 && told["models"]?["ids"] == ["large", "small"])
        let refused = try await workshop.outbound.send(
            .init(
                "POST", openclaw.gateway + "/untrusted/chat/completions", headers: [("Content-Type", "application/json")],
                body: Array(#"{"model":"small","messages":[{"role":"user","content":"a secret"}]}"#.utf8)))
        let text = String(decoding: refused.body, as: UTF8.self)
        #expect(refused.status == 502 && text.contains("its certificate is not trusted"), "\(text)")
        for place in [text, workshop.read("serve.log")] { #expect(!place.contains("sk-real") && !place.contains("a secret")) }
        await openclaw.process.stop()
        await server.stop()
    }

    /// What was used is told per route and variant, and the fallback is no variant of its own.
    private func expectFigures(_ openclaw: Installation, _ told: [String: JSONValue]) async throws {
        let token = openclaw.workshop.read("home/admin.token").filter { !$0.isWhitespace }
        let outcomes = try await openclaw.workshop.outbound.send(
            .init("GET", openclaw.control + "/api/v1/outcomes", headers: [("Authorization", "Bearer \(token)")]))
        let models = try JSONValue(parsing: outcomes.body)["traffic"]?["routes"]?["support"]?["control"]?["models"]
        #expect((models?["fallbacks"]?.integerValue ?? 0) > 5)
        #expect(models?["estimated"] == 0)
        #expect((models?["cost_usd"]?.numberValue ?? 0) > 0.01)
        #expect((models?["output_tokens"]?.integerValue ?? 0) > 20)
        #expect(models?["budget_refusals"] == 1)
        let page = try await openclaw.workshop.outbound.send(.init("GET", openclaw.control + "/metrics"))
        let text = String(decoding: page.body, as: UTF8.self)
        #expect(text.contains("openclaw_model_tokens_total{route=\"support\",variant=\"control\",direction=\"output\"}"))
        let (code, shown) = try await openclaw.workshop.openclaw("provider", "show", "second")
        #expect(code == 0 && shown.contains("found") && !shown.contains("sk-real"))
    }
}
