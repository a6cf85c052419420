import Faults
import HTTP
import JSON
import Processes
import Testing

/// The official OpenFeature SDK and its OFREP provider against the real daemon.
@Suite(.serialized, .enabled("the official OpenFeature client can be installed") { await PythonClients.areThere() })
struct RemoteEvaluationTests {
    private func ask(_ workshop: Workshop, _ arguments: [String], _ questions: [JSONValue]) async throws -> [JSONValue] {
        let input = workshop.write(questions.map { $0.canonicalText + "\n" }.joined(), as: "questions.jsonl")
        let client = "\(Workshop.root)/Tests/Fixtures/Clients/ofrep_client.py"
        let child = try workshop.start(
            ["/bin/sh", "-c", "exec \"$0\" \"$@\" < '\(input)'", PythonClients.python, client] + arguments, output: "client.log")
        let status = await child.wait(limit: .seconds(180))
        let output = workshop.read("client.log")
        guard case .exited(code: 0) = status else { throw Workshop.Late(description: "\(status)\n\(output)") }
        return try output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    }

    private func question(_ flag: String, _ unit: String?, _ standard: JSONValue = "standard") -> JSONValue {
        ["flag": .string(flag), "unit": unit.map(JSONValue.string) ?? .null, "default": standard]
    }

    @Test func `the official client is told what the gateway answers, on both planes`() async throws {
        let workshop = Workshop()
        let model = try await workshop.startModel("v11", accuracy: 0.9)
        let route = workshop.write(
            """
            route:
              name: fraud
              match: { path: "/fraud" }
              unit: "header:X-User-Id"
              variants:
                v11: { url: "\(model.url)", share: 60% }
                v12: { url: "\(model.url)", share: 40% }
            """, as: "route.yaml")
        let openclaw = try await Installation.start(in: workshop, applying: [route])
        var live: [String] = []
        for number in 0..<40 {
            let answer = try await workshop.outbound.send(
                .init("POST", openclaw.gateway + "/fraud", headers: [("X-User-Id", "user-\(number)")], body: Array("{}".utf8)))
            live.append(answer.headers["X-OpenClaw-Variant"] ?? "?")
        }
        #expect(Set(live) == ["v11", "v12"])
        let questions = (0..<40).map { question("fraud", "user-\($0)") }
        let token = workshop.read("home/admin.token").filter { !$0.isWhitespace }
        for arguments in [[openclaw.gateway], [openclaw.control, token]] {
            let told = try await ask(workshop, arguments, questions)
            #expect(told.map { $0["value"]?.stringValue ?? "?" } == live)
            #expect(told.allSatisfy { $0["error"] == .null && $0["reason"] == "SPLIT" && $0["metadata"]?["route"] == "fraud" })
        }
        let refused = try await ask(
            workshop, [openclaw.gateway], [question("froud", "u"), question("fraud", nil), question("fraud", "u", [:])])
        #expect(refused.map { $0["error"]?.stringValue } == ["FLAG_NOT_FOUND", "TARGETING_KEY_MISSING", "TYPE_MISMATCH"])
        #expect(refused.prefix(2).allSatisfy { $0["value"] == "standard" })
        #expect(refused[0]["message"]?.stringValue?.contains("fraud") == true)
        #expect(try await ask(workshop, [openclaw.control], [question("fraud", "u")])[0]["error"] == "GENERAL")
        await openclaw.process.stop()
        await model.server.stop()
    }
}
