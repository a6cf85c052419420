internal import CSQLite
import Faults

/// What SQLite's result codes mean to the person who runs the daemon.
enum DatabaseFault {
    static func of(code: Int32, text: String, path: String, doing: String) -> Fault {
        // The primary code is the low byte; the rest says which system call it was.
        switch code & 0xFF {
        case SQLITE_FULL:
            Fault(
                .unavailable, what: "The database \(path) cannot grow: the disk is full.", why: text,
                fix: "Free space on that file system; nothing recorded so far is lost, and writing goes on by itself.")
        case SQLITE_IOERR:
            Fault(
                .unavailable, what: "The database \(path) could not be read or written.", why: "\(text) (SQLite code \(code))",
                fix: "Look at the disk (`dmesg`, `df`); the transaction was rolled back.")
        case SQLITE_BUSY, SQLITE_LOCKED:
            Fault(
                .unavailable, what: "The database \(path) is locked by another process.", why: "\(text), for 5 seconds",
                fix: "Find it with `fuser \(path)` and end it; only the daemon may write to this file.")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            Fault(
                .unavailable, what: "The database \(path) is damaged.", why: text,
                fix: "Keep the file as evidence, put back a copy that `openclaw audit verify --file` accepts, and start again.")
        case SQLITE_CANTOPEN:
            Fault(
                .unavailable, what: "The database \(path) cannot be opened.", why: text,
                fix: "Check that its folder exists and that this user may write there.")
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH:
            Fault(
                .unavailable, what: "The database \(path) cannot be written.", why: text,
                fix: "Check the owner and mode of the file and its folder, and that the file system is not mounted read-only.")
        case SQLITE_CONSTRAINT:
            Fault(
                .conflict, what: "The database \(path) refused a row.", why: "\(text), running \(cut(doing))",
                fix: "This is a defect: report it with this line.")
        case SQLITE_TOOBIG:
            Fault(
                .limitReached, what: "A value is too large for the database \(path).", why: text,
                fix: "Record a digest of it, and keep the value in a file.")
        default:
            Fault(
                .failed, what: "The database \(path) refused a statement.",
                why: "\(text) (SQLite code \(code)), running \(cut(doing))",
                fix: "This is a defect: report it with this line.")
        }
    }

    static func closed(_ path: String) -> Fault {
        Fault(.unavailable, what: "The database \(path) is closed.", why: "The daemon is stopping.", fix: "Start it again.")
    }

    private static func cut(_ sql: String) -> String { sql.count > 160 ? String(sql.prefix(160)) + "..." : sql }
}
