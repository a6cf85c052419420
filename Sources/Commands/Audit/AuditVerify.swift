import Arguments
import ControlPlane
import Faults
import JSON
import Ledger

/// `openclaw audit verify [--file F]`: offline, and of the home's own ledger without asking the daemon about itself.
enum AuditVerify {
    static let command = Command(
        "audit verify", summary: "Verify a ledger, an export or a copy, without trusting who wrote it",
        discussion: """
            Recomputes every hash, every link and every checkpoint. Always prints {"ok","entries","first_bad",...} on stdout, and the \
            same for people on stderr; exits 1 when anything is not what was recorded. `first_bad` is the first entry that was \
            altered, removed, inserted or moved. Only with --server is a daemon asked.
            """,
        parameters: [
            .option("file", "F", "An export, a ledger.db, or a folder that has one; standard: the home"), AuditKeyOption.parameter,
        ]
    ) { invocation in
        let output = Output(invocation)
        let (facts, subject) = try await facts(invocation)
        output.write(facts.canonicalText)
        if !output.isJSON { output.remark(text(facts, subject)) }
        guard facts["ok"] == true else { throw SilentExit(code: 1) }
    }

    private static func facts(_ invocation: Invocation) async throws(Fault) -> (JSONValue, String) {
        if invocation.value("file") == nil, let server = invocation.value("server") {
            return (try await APIClient(invocation).get("/api/v1/audit/verify"), server)
        }
        let home = try Home.locate(option: invocation.value("home"), environment: Environment.current)
        let path = Home.absolute(invocation.value("file") ?? home.path)
        let key = try AuditKeyOption.key(invocation, for: path)
        return (try await LedgerAudit.verify(path: path, key: key).json, path)
    }

    static func text(_ facts: JSONValue, _ subject: String) -> String {
        let entries = Figures.count(facts["entries"]?.integerValue ?? 0)
        let signature = facts["signature"]?.stringValue.flatMap { AuditVerdict.Signature(rawValue: $0) }
        let signed = signature.map { AuditKeyOption.text($0, .plain) } ?? ""
        guard facts["ok"] != true else {
            let size = facts["size"]?.integerValue.map { ", checkpoint over \(Figures.count($0))" } ?? ""
            // A file that was written anew as a whole fits itself: only a key tells whose it is.
            guard signature != .unchecked else {
                return "ok as far as they go: \(entries) entries of \(subject) fit each other\(size), whoever wrote it; \(signed)"
            }
            return "ok: \(entries) entries of \(subject) are as they were recorded\(size); \(signed)"
        }
        let place = facts["first_bad"]?.integerValue.map { "from entry \($0) on" } ?? "but no entry is to blame"
        return """
            NOT AS RECORDED: \(subject), \(place) (\(entries) entries looked at); \(signed)
              because  \(facts["why"]?.stringValue ?? "")
            """
    }
}
