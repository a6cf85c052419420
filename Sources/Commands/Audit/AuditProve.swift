import Arguments
import Faults
import JSON
import Ledger

/// `openclaw audit prove ENTRY`: fetches the proof and checks it here, so that the daemon's word is not needed.
enum AuditProve {
    static let command = Command(
        "audit prove", summary: "Prove that an entry is in the ledger, under a signed checkpoint",
        discussion: "The proof (RFC 6962, section 2.1.1) is checked here; with --json all of it is printed, for others to check.",
        parameters: [.operand("ENTRY", "Its index"), AuditKeyOption.parameter]
    ) { invocation in
        let entry = APIClient.segment(invocation.operand("ENTRY"))
        let proof = try await APIClient(invocation).get("/api/v1/audit/entries/\(entry)/proof")
        let key = try AuditKeyOption.key(invocation, for: "")
        let checked = try InclusionProof(proof).check(key)
        let facts = JSONValue.object(
            (proof.objectValue ?? [:]).merging([
                "ok": .bool(checked.isGood), "signature": .string(checked.signature.rawValue),
            ]) { first, _ in first })
        Output(invocation).show(facts) { style in text(proof, checked, style) }
        guard checked.isGood else { throw SilentExit(code: 1) }
    }

    static func text(_ proof: JSONValue, _ checked: InclusionProof.Check, _ style: Style) -> String {
        let index = proof["index"]?.integerValue ?? 0
        let size = Figures.count(proof["size"]?.integerValue ?? 0)
        let verdict =
            checked.isIncluded
            ? style.good("entry \(index) is in the ledger of \(size) entries")
            : style.bad("the proof does not show that entry \(index) is in the ledger of \(size) entries")
        var table = Table([], indent: 2)
        table.add(["what", "\(proof["entry"]?["resource"]?.stringValue ?? "")  \(proof["entry"]?["kind"]?.stringValue ?? "")"])
        table.add(["at", proof["entry"]?["at"]?.stringValue ?? ""])
        table.add(["leaf", proof["leaf"]?.stringValue ?? ""])
        for (level, hash) in (proof["proof"]?.arrayValue ?? []).enumerated() {
            table.add([level == 0 ? "with" : "", hash.stringValue ?? ""])
        }
        table.add(["root", "\(proof["root"]?.stringValue ?? "")"])
        return "\(verdict); \(AuditKeyOption.text(checked.signature, style))\n\(table.text(style))"
    }
}
