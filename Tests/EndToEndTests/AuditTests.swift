import Faults
import Glibc
import HTTP
import JSON
import Processes
import Testing

@Suite(.serialized)
struct AuditTests {
    private let route = """
        route:
          name: fraud
          match: { path: "/fraud" }
          unit: "header:X-User-Id"
          variants:
            v11: { url: "http://127.0.0.1:9/infer", share: 100% }
            v12: { url: "http://127.0.0.1:9/other", share: 0% }
        """

    /// The first line of a command's output as JSON: `audit verify` prints one line, and a sentence beside it.
    private func verdict(_ workshop: Workshop, _ arguments: String...) async throws -> (code: Int32, json: JSONValue) {
        let name = "verdict.log"
        let child = try workshop.start([Workshop.binary, "audit", "verify", "--json"] + arguments, output: name)
        guard case .exited(let code) = await child.wait(limit: .seconds(180)) else { return (-1, .null) }
        return (code, try JSONValue(parsing: workshop.read(name)))
    }

    @Test func `what a daemon recorded is exported, verified anywhere, and every tampering is found where it is`() async throws {
        let workshop = Workshop()
        let daemon = try await Installation.start(in: workshop, applying: [workshop.write(route, as: "route.yaml")])
        for share in [90, 80, 70, 60, 50, 40] {
            #expect(try await workshop.openclaw("route", "set", "fraud", "v11=\(share)%", "v12=\(100 - share)%").code == 0)
        }
        let log = try JSONValue(parsing: try await workshop.openclaw("audit", "log", "--json").output)
        let count = try #require(log["count"]?.integerValue)
        #expect(count >= 8)
        #expect(try await workshop.openclaw("audit", "prove", "3").code == 0)
        #expect(try await workshop.openclaw("audit", "consistency", "2", "\(count)").code == 0)
        #expect(try await workshop.openclaw("audit", "show", "3").output.contains("route/fraud"))
        #expect(try await workshop.openclaw("audit", "checkpoint").output.hasPrefix("openclaw/"))
        let export = "\(workshop.folder)/ledger.jsonl"
        #expect(try await workshop.openclaw("audit", "export", "--out", export).code == 0)
        let running = try await verdict(workshop)
        #expect(running.code == 0 && running.json["entries"]?.integerValue == count)
        await daemon.process.stop()

        let honest = try await verdict(workshop, "--file", export)
        #expect(honest.code == 0 && honest.json["ok"] == true && honest.json["first_bad"] == .null)
        #expect(honest.json["signature"] == "verified" && honest.json["entries"]?.integerValue == count)
        let lines = workshop.read("ledger.jsonl").split(separator: "\n").map(String.init)
        var removed = lines
        removed.remove(at: 4)
        var swapped = lines
        swapped.swapAt(2, 5)
        var inserted = lines
        inserted.insert(lines[1], at: 6)
        var altered = lines
        altered[3] = altered[3].replacing("\"by\":\"", with: "\"by\":\"not ")
        let last = lines.count - 2
        var short = lines
        short.remove(at: last)
        for (name, forged, place) in [
            ("removed", removed, 4), ("swapped", swapped, 2), ("inserted", inserted, 6), ("altered", altered, 3),
            ("short", short, last),
        ] {
            let path = workshop.write(forged.joined(separator: "\n") + "\n", as: "\(name).jsonl")
            let found = try await verdict(workshop, "--file", path)
            #expect(found.code == 1 && found.json["ok"] == false, "\(name)")
            #expect(found.json["first_bad"]?.integerValue == Int64(place), "\(name): \(found.json.canonicalText)")
        }
        // The home itself, and a bare copy of its database.
        #expect(try await verdict(workshop).code == 0)
        let copied = try workshop.start(["cp", workshop.home + "/ledger.db", workshop.folder + "/copy.db"], output: "cp.log")
        #expect(await copied.wait() == .exited(code: 0))
        let copy = try await verdict(workshop, "--file", workshop.folder + "/copy.db", "--key", workshop.home + "/ledger.vkey")
        #expect(copy.code == 0 && copy.json["signature"] == "verified")
    }
}
