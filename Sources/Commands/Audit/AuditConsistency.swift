import Arguments
import Faults
import JSON
import Ledger

/// `openclaw audit consistency OLD NEW`: fetches the proof and checks it here.
enum AuditConsistency {
    static let command = Command(
        "audit consistency", summary: "Prove that the ledger was only ever added to, from one size to another",
        discussion: """
            The proof (RFC 6962, section 2.1.2) is checked here. Compare the roots with those of checkpoints you kept: that is what \
            shows that nothing was rewritten.
            """,
        parameters: [.operand("OLD", "The smaller number of entries"), .operand("NEW", "The larger")]
    ) { invocation in
        let (old, new) = (APIClient.segment(invocation.operand("OLD")), APIClient.segment(invocation.operand("NEW")))
        let proof = try await APIClient(invocation).get("/api/v1/audit/consistency?old=\(old)&new=\(new)")
        let isGood = try ConsistencyProof(proof).isGood
        let facts = JSONValue.object((proof.objectValue ?? [:]).merging(["ok": .bool(isGood)]) { first, _ in first })
        Output(invocation).show(facts) { style in text(proof, isGood, style) }
        guard isGood else { throw SilentExit(code: 1) }
    }

    static func text(_ proof: JSONValue, _ isGood: Bool, _ style: Style) -> String {
        let old = Figures.count(proof["old"]?.integerValue ?? 0)
        let new = Figures.count(proof["new"]?.integerValue ?? 0)
        let verdict =
            isGood
            ? style.good("the ledger of \(new) entries begins with the ledger of \(old)")
            : style.bad("the proof does not show that the ledger of \(new) entries begins with the ledger of \(old)")
        var table = Table([], indent: 2)
        table.add(["root at \(old)", proof["old_root"]?.stringValue ?? ""])
        table.add(["root at \(new)", proof["new_root"]?.stringValue ?? ""])
        let hashes = proof["proof"]?.arrayValue?.count ?? 0
        table.add(["proof", hashes == 1 ? "1 hash" : "\(hashes) hashes"])
        return "\(verdict)\n\(table.text(style))"
    }
}
