import HTTP
import JSON
import TestSockets
import Testing

@testable import ControlPlane

/// What was spent stays spent, whoever restarts.
struct SpentBudgetTests {
    private static func resources(_ port: Int) -> String {
        """
        provider:
          name: local
          url: "http://127.0.0.1:\(port)/v1"
          prices: { m: { input: 1, output: 2 } }
        ---
        prompt:
          name: support
          versions:
            v1: { system: "Be brief.", model: m }
            v2: { system: "Be kind.", model: m }
        ---
        route:
          name: support
          api: openai
          match: { path: /v1 }
          unit: "header:X-User-Id"
          provider: local
          budget: 0.01 USD/total
          variants: { base: { prompt: support@v1 } }
        ---
        experiment:
          name: kinder
          route: support
          variants: { control: { prompt: support@v1 }, kinder: { prompt: support@v2 } }
          metrics: { primary: { name: resolved, type: binary, direction: up, minimum_effect: 0.1 } }
          budget: 0.002 USD/total
        """
    }

    @Test func `an experiment's budget is kept in a restart, and is told with its plan and status`() async throws {
        let told = #"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1000,"completion_tokens":10}}"#
        let upstream = try TestUpstream { connection in
            while connection.readMessage() != nil {
                connection.write(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(told.utf8.count)\r\n\r\n\(told)")
            }
        }
        let first = try await DaemonHouse()
        let applied = try await first.apply(Self.resources(upstream.port))
        try #require(applied.status == 200, "\(applied.json)")
        let request = #"{"max_tokens":20,"messages":[{"role":"user","content":"x"}]}"#
        func ask(_ house: DaemonHouse) async throws -> Int {
            try await house.send(
                "POST", house.gateway + "/v1/chat/completions",
                headers: [("Content-Type", "application/json"), ("X-User-Id", "u")], body: request
            ).status
        }
        #expect(try await ask(first) == 200)
        let status = try await first.call("GET", "/api/v1/experiments/kinder").json
        #expect(status["budget"]?["text"] == "0.002 USD in total", "\(status)")
        #expect(status["budget"]?["spent_usd"]?.numberValue == 0.00102)
        await first.daemon.drain()
        let second = try await DaemonHouse(after: first)
        let again = try await second.call("GET", "/api/v1/experiments/kinder").json
        #expect(again["budget"]?["spent_usd"]?.numberValue == 0.00102, "\(again)")
        #expect(abs((again["budget"]?["left_usd"]?.numberValue ?? 0) - 0.00098) < 1e-12)
        #expect(try await ask(second) == 200)
        #expect(try await ask(second) == 429)
        await second.daemon.drain()
    }

    @Test func `a budget on a route whose costs nobody counts is refused at plan`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        let text = """
            experiment:
              name: cheap
              route: fraud
              variants: { control: { url: "http://127.0.0.1:9001/" }, other: { url: "http://127.0.0.1:9002/" } }
              metrics: { primary: { name: resolved, type: binary, direction: up, minimum_effect: 0.1 } }
              budget: 50 USD/day
            """
        let refused = try await house.apply(text)
        #expect(
            refused.status >= 400 && refused.json["error"]?["what"]?.stringValue?.contains("has no costs") == true, "\(refused)")
    }
}
