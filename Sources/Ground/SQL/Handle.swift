internal import CSQLite
import Faults

/// One open SQLite connection and its prepared statements. Confined to its connection's thread.
@safe final class Handle {
    enum Mode {
        case readWrite
        /// Beside a writer of this process, or on a copied file.
        case readOnly
        /// A file that nothing else touches and whose folder may not be written to.
        case immutable
    }

    /// Statements kept prepared; a program has far fewer texts than this, so the limit only stops a text made at run time.
    private static let statementsMax = 256

    let path: String
    private let database: OpaquePointer
    private var idle: [String: OpaquePointer] = unsafe [:]

    init(path: String, mode: Mode) throws(Fault) {
        self.path = path
        var opened: OpaquePointer?
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        flags |= mode == .readWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY
        if mode == .immutable { flags |= SQLITE_OPEN_URI }
        let name = mode == .immutable ? "file:\(Handle.uriPath(path))?immutable=1" : path
        let code = unsafe sqlite3_open_v2(name, &opened, flags, nil)
        guard code == SQLITE_OK, let opened = unsafe opened else {
            let text = unsafe opened.map { unsafe String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            unsafe sqlite3_close_v2(opened)
            throw DatabaseFault.of(code: code, text: text, path: path, doing: "opening it")
        }
        unsafe database = opened
        // A backup or a shell that reads the file may hold it for a moment.
        unsafe sqlite3_busy_timeout(database, 5_000)
    }

    deinit {
        while let (_, statement) = unsafe idle.popFirst() { unsafe sqlite3_finalize(statement) }
        unsafe sqlite3_close_v2(database)
    }

    var changes: Int { Int(unsafe sqlite3_changes64(database)) }
    var isInTransaction: Bool { unsafe sqlite3_get_autocommit(database) == 0 }

    /// Runs a text of several statements, none of which takes a binding.
    func script(_ sql: String) throws(Fault) {
        let code = unsafe sqlite3_exec(database, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw fault(code, doing: sql) }
    }

    /// Some file systems (network ones) have no shared memory, and SQLite would silently stay with another journal.
    func useWriteAheadLog() throws(Fault) {
        var mode = ""
        try each("PRAGMA journal_mode = WAL", []) { (row) throws(Fault) in
            mode = row[0].textValue ?? ""
            return true
        }
        guard mode == "wal" || path == ":memory:" else {
            throw Fault(
                .unavailable, what: "The database \(path) cannot use a write-ahead log.", why: "SQLite stayed with '\(mode)'.",
                fix: "Put the home on a local file system.")
        }
    }

    func run(_ sql: String) throws(Fault) { try each(sql, []) { (_) throws(Fault) in true } }

    func each(_ sql: String, _ bindings: [SQLValue], _ body: ([SQLValue]) throws(Fault) -> Bool) throws(Fault) {
        let statement = try unsafe take(sql)
        defer { unsafe giveBack(statement, sql) }
        precondition(
            unsafe Int(sqlite3_bind_parameter_count(statement)) == bindings.count,
            "\(bindings.count) bindings do not fit: \(sql)")
        for (index, value) in bindings.enumerated() {
            let code = unsafe bind(value, to: statement, at: Int32(index + 1))
            guard code == SQLITE_OK else { throw fault(code, doing: sql) }
        }
        while true {
            let code = unsafe sqlite3_step(statement)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw fault(code, doing: sql) }
            let row = unsafe (0..<sqlite3_column_count(statement)).map { unsafe column($0, of: statement) }
            guard try body(row) else { return }
        }
    }

    /// A statement in use is not in the cache, so that the same text may run again inside its own rows.
    private func take(_ sql: String) throws(Fault) -> OpaquePointer {
        if let statement = unsafe idle.removeValue(forKey: sql) { return unsafe statement }
        var prepared: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared = unsafe prepared else { throw fault(code, doing: sql) }
        return unsafe prepared
    }

    private func giveBack(_ statement: OpaquePointer, _ sql: String) {
        unsafe sqlite3_reset(statement)
        unsafe sqlite3_clear_bindings(statement)
        if unsafe idle.count >= Handle.statementsMax || idle[sql] != nil {
            unsafe sqlite3_finalize(statement)
        } else {
            unsafe idle[sql] = statement
        }
    }

    private func bind(_ value: SQLValue, to statement: OpaquePointer, at index: Int32) -> Int32 {
        switch value {
        case .null: return unsafe sqlite3_bind_null(statement, index)
        case .integer(let value): return unsafe sqlite3_bind_int64(statement, index, value)
        case .real(let value): return unsafe sqlite3_bind_double(statement, index, value)
        case .text(var value):
            return value.withUTF8 { bytes in
                unsafe bytes.withMemoryRebound(to: CChar.self) {
                    unsafe claw_bind_text(statement, index, $0.baseAddress, Int32($0.count))
                }
            }
        case .blob(let value):
            // A null pointer would bind NULL, not an empty blob.
            if value.isEmpty { return unsafe sqlite3_bind_zeroblob(statement, index, 0) }
            return unsafe value.withUnsafeBytes { unsafe claw_bind_blob(statement, index, $0.baseAddress, Int32($0.count)) }
        }
    }

    private func column(_ index: Int32, of statement: OpaquePointer) -> SQLValue {
        switch unsafe sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(statement, index))
        case SQLITE_FLOAT: return .real(unsafe sqlite3_column_double(statement, index))
        case SQLITE_TEXT:
            let text = unsafe sqlite3_column_text(statement, index)
            let count = Int(unsafe sqlite3_column_bytes(statement, index))
            return .text(unsafe String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self))
        case SQLITE_BLOB:
            let bytes = unsafe sqlite3_column_blob(statement, index)
            let count = Int(unsafe sqlite3_column_bytes(statement, index))
            return .blob(unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count)))
        default: return .null
        }
    }

    private func fault(_ code: Int32, doing sql: String) -> Fault {
        DatabaseFault.of(code: code, text: unsafe String(cString: sqlite3_errmsg(database)), path: path, doing: sql)
    }

    /// Percent-encodes what a URI gives another meaning.
    private static func uriPath(_ path: String) -> String {
        var text = ""
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "%"): text += "%25"
            case UInt8(ascii: "?"): text += "%3f"
            case UInt8(ascii: "#"): text += "%23"
            default: text.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return text
    }
}
