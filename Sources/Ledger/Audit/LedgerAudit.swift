public import Faults
import Glibc
import SQL

/// Audits that need no daemon: of an export, of a copied database, of a home.
public enum LedgerAudit {
    private static let databaseMagic = Array("SQLite format 3\0".utf8)

    /// Verifies what is at `path`: an export, a ledger.db, or a folder that has one.
    public static func verify(path: String, key: AuditKey) async throws(Fault) -> AuditVerdict {
        let file = isFolder(path) ? path + "/ledger.db" : path
        return try isDatabase(file) ? await verify(database: file, key: key) : verify(export: file, key: key)
    }

    public static func verify(export path: String, key: AuditKey) throws(Fault) -> AuditVerdict {
        var lines = try LineReader(path: path)
        var audit = ExportAudit(key: key)
        while let line = try lines.next() {
            switch line {
            case .text(let bytes): audit.take(bytes)
            case .tooLong: audit.reject("a line is longer than any entry")
            }
        }
        return audit.finish()
    }

    public static func verify(database path: String, key: AuditKey) async throws(Fault) -> AuditVerdict {
        let database = try await Database.openReadOnly(path: path)
        do throws(Fault) {
            let verdict = try await database.read { (session) throws(Fault) in try DatabaseAudit.verify(session, key: key) }
            await database.close()
            return verdict
        } catch {
            await database.close()
            throw error
        }
    }

    /// The key to check `path` with: what `--key` says (a key or a file with one), else the `ledger.vkey` beside it, else the home's.
    public static func key(_ demanded: String?, for path: String, home: String?) throws(Fault) -> AuditKey {
        if let demanded {
            return .demanded(try demanded.contains("+") && !exists(demanded) ? VerifierKey(parsing: demanded) : read(demanded))
        }
        let folder = isFolder(path) ? path : path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        for place in [folder, home].compactMap({ $0 }).map({ $0 + "/ledger.vkey" }) where exists(place) {
            return .found(try read(place))
        }
        return .none
    }

    private static func read(_ path: String) throws(Fault) -> VerifierKey {
        let text = String(decoding: try KeyFile.read(path), as: UTF8.self)
        return try VerifierKey(parsing: text.hasSuffix("\n") ? String(text.dropLast()) : text)
    }

    private static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func isDatabase(_ path: String) throws(Fault) -> Bool {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw Fault(
                .notFound, what: "\(path) cannot be read.", why: unsafe String(cString: strerror(errno)),
                fix: "Pass an export, a copy of ledger.db, or a folder that has one.")
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: databaseMagic.count)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
        return count == bytes.count && bytes == databaseMagic
    }
}
