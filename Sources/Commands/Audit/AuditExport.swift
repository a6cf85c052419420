import Arguments
import ControlPlane
import Faults
import Glibc
import JSON
import Ledger

/// `openclaw audit export --out F`
enum AuditExport {
    static let command = Command(
        "audit export", summary: "Write every entry and a signed checkpoint to a file that verifies by itself",
        discussion: """
            One JSON object a line: {"index","leaf","entry"} for each entry, {"checkpoint"} last. The file is verified before it gets \
            its name, so what is there is whole. Verify it anywhere: openclaw audit verify --file F --key KEY.
            """,
        parameters: [.option("out", "F", "Where to write it"), AuditKeyOption.parameter]
    ) { invocation in
        guard let out = invocation.value("out") else {
            throw Fault(
                .usage, what: "There is no place for the export.", why: "--out is missing.",
                fix: "openclaw audit export --out ledger.jsonl")
        }
        let path = Home.absolute(out)
        let chunks = try await APIClient(invocation).text("/api/v1/audit/export")
        let verdict = try await write(chunks, to: path, key: try AuditKeyOption.key(invocation, for: path))
        let facts = JSONValue.object((verdict.json.objectValue ?? [:]).merging(["out": .string(path)]) { first, _ in first })
        Output(invocation).show(facts) { style in
            """
            \(style.good("exported")) \(Figures.count(verdict.entries)) entries to \(path); \(AuditKeyOption.text(verdict.signature, style))
            next: openclaw audit verify --file \(out)
            """
        }
    }

    /// Beside its place first: a half export is never found under the name that was asked for.
    private static func write(_ chunks: AsyncStream<[UInt8]>, to path: String, key: AuditKey) async throws(Fault) -> AuditVerdict {
        let partial = path + ".partial"
        do throws(Fault) {
            try await save(chunks, as: partial)
            let verdict = try LedgerAudit.verify(export: partial, key: key)
            guard verdict.isGood else {
                throw Fault(
                    .failed, what: "The export does not verify.", why: "In it, \(verdict.why ?? "").",
                    fix: "Try again; if it stays so, look at the ledger itself: openclaw audit verify.")
            }
            guard unsafe rename(partial, path) == 0 else { throw unwritable(path) }
            return verdict
        } catch {
            unsafe unlink(partial)
            throw error
        }
    }

    private static func save(_ chunks: AsyncStream<[UInt8]>, as path: String) async throws(Fault) {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw unwritable(path) }
        defer { close(file) }
        for await chunk in chunks {
            var rest = chunk[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw unwritable(path) }
                rest = rest.dropFirst(count)
            }
        }
        guard fsync(file) == 0 else { throw unwritable(path) }
    }

    private static func unwritable(_ path: String) -> Fault {
        Fault(
            .failed, what: "\(path) cannot be written.", why: unsafe String(cString: strerror(errno)),
            fix: "Name a place that this user may write to, with room for it: --out F.")
    }
}
