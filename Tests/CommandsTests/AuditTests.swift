import Faults
import JSON
import TestFolders
import Testing

@testable import Commands

struct AuditTests {
    static var fixture: String {
        let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(tests)/Fixtures/ledger/export.jsonl"
    }

    /// Changes a copy of the fixture; returns its path.
    static func copy(to name: String, in folder: TemporaryFolder, _ change: (String) -> String) -> String {
        folder.write(change(String(decoding: TemporaryFolder.bytes(of: fixture), as: UTF8.self)), to: name)
    }

    @Test func `verifying an export needs no daemon and no home, and ends with 0 only when all is as recorded`() async {
        let folder = TemporaryFolder()
        let honest = Self.copy(to: "honest.jsonl", in: folder) { $0 }
        let altered = Self.copy(to: "altered.jsonl", in: folder) { $0.replacing("0.9,", with: "0.8,") }
        #expect(await OpenClaw.run(["audit", "verify", "--file", Self.fixture]) == 0)
        #expect(await OpenClaw.run(["audit", "verify", "--file", honest, "--json"]) == 0)
        #expect(await OpenClaw.run(["audit", "verify", "--file", altered]) == 1)
        #expect(await OpenClaw.run(["audit", "verify", "--file", "/nowhere/ledger.jsonl"]) == 1)
        #expect(await OpenClaw.run(["audit", "verify", "--file", honest, "--key", "nonsense+00000000+AAAA"]) == 2)
        let key = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        #expect(await OpenClaw.run(["audit", "verify", "--file", honest, "--key", key]) == 1)
        #expect(await OpenClaw.run(["audit", "export"]) == 2)
    }

    @Test func `the verdict comes first, with where and why`() {
        let good: JSONValue = [
            "ok": true, "entries": 2_412, "first_bad": nil, "signature": "verified", "size": 2_412, "why": nil,
        ]
        #expect(
            AuditVerify.text(good, "ledger.jsonl")
                == "ok: 2 412 entries of ledger.jsonl are as they were recorded, checkpoint over 2 412; signature verified")
        let anybody: JSONValue = ["ok": true, "entries": 40, "first_bad": nil, "signature": "unchecked", "size": 40, "why": nil]
        let text = AuditVerify.text(anybody, "F")
        #expect(text.hasPrefix("ok as far as they go: 40 entries of F fit each other") && text.contains("--key"))
        let bad: JSONValue = ["ok": false, "entries": 40, "first_bad": 7, "signature": "verified", "size": 40, "why": "it differs"]
        #expect(
            AuditVerify.text(bad, "F")
                == "NOT AS RECORDED: F, from entry 7 on (40 entries looked at); signature verified\n  because  it differs")
        let forged: JSONValue = ["ok": false, "entries": 40, "first_bad": nil, "signature": "bad", "size": 40, "why": "it differs"]
        #expect(AuditVerify.text(forged, "F").contains("but no entry is to blame (40 entries looked at); signature bad"))
    }

    @Test func `the log shows the newest last, cuts long bodies, and says how to go on`() {
        let entry: JSONValue = [
            "index": 6, "at": "2026-11-21T02:40:00.123Z", "resource": "route/fraud", "kind": "route.split", "by": "token:admin",
            "body": .string(String(repeating: "x", count: 100)), "after": nil, "previous": "",
        ]
        let text = AuditLog.text(["entries": [entry], "count": 7], .plain)
        #expect(text.contains("route/fraud  route.split  token:admin  \"xxx") && text.contains("..."))
        #expect(text.hasSuffix("1 of 7 entries\nnext: openclaw audit show 6 | prove 6"))
        #expect(AuditLog.text(["entries": [], "count": 0], .plain) == "nothing has been recorded yet")
        let shown = AuditShow.text(["index": 6, "leaf": "abc=", "entry": entry], .plain)
        #expect(shown.hasPrefix("entry 6  route/fraud  route.split\n") && shown.contains("it is the first of this resource"))
    }

    @Test func `a consistency proof is spoken of as what it shows`() {
        let proof: JSONValue = ["old": 8, "new": 21, "old_root": "a", "new_root": "b", "proof": ["x", "y"]]
        #expect(AuditConsistency.text(proof, true, .plain).hasPrefix("the ledger of 21 entries begins with the ledger of 8\n"))
        #expect(AuditConsistency.text(proof, false, .plain).hasPrefix("the proof does not show"))
    }
}
