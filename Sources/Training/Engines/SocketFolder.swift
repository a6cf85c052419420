import Faults
import Glibc
import Ledger

/// Where unix sockets stand: their whole path has room for 107 bytes, which a home may be longer than.
enum SocketFolder {
    /// One for each installation, the same in every life of its daemon.
    static func path(for directory: String) -> String {
        let name = "openclaw-\(getuid())-\(SHA256.digest(of: directory).hex.prefix(16))"
        let runtime = unsafe getenv("XDG_RUNTIME_DIR").map { unsafe String(cString: $0) }
        if let runtime, runtime.hasPrefix("/"), runtime.utf8.count <= 40, unsafe access(runtime, W_OK) == 0 {
            return "\(runtime)/\(name)"
        }
        return "/tmp/\(name)"
    }

    /// Makes it, or sees that the one there is nobody else's.
    static func make(_ path: String) throws(Fault) {
        let isNew = unsafe mkdir(path, 0o700) == 0
        var status = stat()
        guard isNew || errno == EEXIST, unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
            status.st_uid == getuid(), status.st_mode & 0o077 == 0
        else {
            throw Fault(
                what: "Workers have no place for their sockets.", why: "\(path) is not a folder of this user alone.",
                fix: "Remove it, or set XDG_RUNTIME_DIR to a folder of your own.")
        }
    }

    /// Of one rank: short, whatever its job is called.
    static func socket(in path: String, of key: RankKey) -> String {
        let whole = "\(key.job)/\(key.attempt)/\(key.run)/\(key.slot)/\(key.life)"
        return "\(path)/\(SHA256.digest(of: whole).hex.prefix(16))"
    }
}
