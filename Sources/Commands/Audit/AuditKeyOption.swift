import Arguments
import ControlPlane
import Faults
import Ledger

/// `--key`: the same in every verb that checks a signature.
enum AuditKeyOption {
    static let parameter = Parameter.option(
        "key", "KEY|FILE",
        "Who must have signed: a verifier key or a file with one; standard: ledger.vkey beside the file, else the home's")

    static func key(_ invocation: Invocation, for path: String) throws(Fault) -> AuditKey {
        let home = try Home.locate(option: invocation.value("home"), environment: Environment.current)
        return try LedgerAudit.key(invocation.value("key"), for: path, home: home.path)
    }

    /// How a signature is spoken of.
    static func text(_ signature: AuditVerdict.Signature, _ style: Style) -> String {
        switch signature {
        case .verified: style.good("signature verified")
        case .unchecked: style.open("signature not checked: pass the ledger.vkey of the home that signed it with --key")
        case .bad: style.bad("signature bad")
        case .none: style.open("nothing signed yet")
        }
    }
}
