import Faults
import HTTP
import JSON
import Ledger
import Testing

@testable import ControlPlane

struct AuditRoutesTests {
    @Test func `entries are listed, shown and proved, and what is served verifies at the client`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        let all = try await house.call("GET", "/api/v1/audit/entries").json
        let count = try #require(all["count"]?.integerValue)
        #expect(all["entries"]?.arrayValue?.compactMap { $0["index"]?.integerValue } == Array(0..<count))
        let routes = try await house.call("GET", "/api/v1/audit/entries?kind=route&name=fraud&limit=1").json["entries"]?.arrayValue
        #expect(routes?.count == 1 && routes?[0]["resource"] == "route/fraud")
        #expect(try await house.call("GET", "/api/v1/audit/entries?before=1").json["entries"]?.arrayValue?.count == 1)

        let checkpoint = try await house.call("GET", "/api/v1/audit/checkpoint").json
        let key = try VerifierKey(parsing: try #require(checkpoint["verifier_key"]?.stringValue))
        #expect(checkpoint["size"]?.integerValue == count)
        for index in 0..<count {
            let shown = try await house.call("GET", "/api/v1/audit/entries/\(index)").json
            let proof = try await house.call("GET", "/api/v1/audit/entries/\(index)/proof").json
            #expect(shown["entry"] == proof["entry"] && shown["leaf"] == proof["leaf"])
            let checked = try InclusionProof(proof).check(.demanded(key))
            #expect(checked.isIncluded && checked.signature == .verified)
        }
        let grown = try await house.call("GET", "/api/v1/audit/consistency?old=1&new=\(count)").json
        #expect(try ConsistencyProof(grown).isGood)
        let verdict = try await house.call("GET", "/api/v1/audit/verify").json
        #expect(verdict["ok"] == true && verdict["entries"]?.integerValue == count && verdict["signature"] == "verified")
    }

    @Test func `an export streams, and verifies as it came`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let ledger = try house.daemon.services().ledger
        for number in 0..<600 {
            let draft = LedgerDraft(kind: "test.event", by: "test", body: ["number": .integer(Int64(number))])
            _ = try await ledger.append(draft, to: ResourceID("test", "\(number)"), after: .none)
        }
        let answer = try await house.send(
            "GET", house.control + "/api/v1/audit/export", headers: [("Authorization", "Bearer \(try house.adminToken)")])
        #expect(answer.status == 200 && answer.headers["Content-Type"] == "application/jsonl")
        var audit = ExportAudit(key: .demanded(ledger.verifierKey))
        for line in answer.body.split(separator: 0x0A) { audit.take(Array(line)) }
        let verdict = audit.finish()
        let count = try await ledger.reader.count()
        #expect(verdict.isGood && verdict.entries == count && verdict.signature == .verified)
    }

    @Test func `what cannot be answered is refused with a reason, and nothing without a token`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        for (path, status) in [
            ("entries/99", 404), ("entries/x", 400), ("entries/-1", 400), ("entries/99/proof", 404), ("entries?limit=0", 400),
            ("entries?limit=1001", 400), ("entries?before=x", 400), ("consistency?old=2&new=1", 400),
            ("consistency?old=0&new=99", 400),
        ] {
            let answer = try await house.call("GET", "/api/v1/audit/" + path)
            #expect(answer.status == status, "\(path)")
            #expect(answer.json["error"]?["fix"]?.stringValue?.isEmpty == false, "\(path)")
        }
        for path in ["entries", "entries/0", "entries/0/proof", "consistency?old=0&new=0", "checkpoint", "verify", "export"] {
            #expect(try await house.call("GET", "/api/v1/audit/" + path, token: nil).status == 401, "\(path)")
        }
    }

    @Test func `metrics say what the ledger does`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        let page = try await house.text(house.control + "/metrics").text
        #expect(page.contains("openclaw_ledger_appends_total{outcome=\"recorded\"} "))
        #expect(page.contains("openclaw_ledger_appends_total{outcome=\"cannot_record\"} 0"))
    }
}
