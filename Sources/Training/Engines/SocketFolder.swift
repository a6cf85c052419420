import Faults
import Glibc
import Ledger
import Worker

/// Where unix sockets stand: their whole path has room for 107 bytes, which a home may be longer than.
enum SocketFolder {
    /// One for each installation, the same in every life of its daemon.
    static func path(for directory: String, isRemote: Bool = false) -> String {
        let name = "openclaw-\(getuid())-\(SHA256.digest(of: directory).hex.prefix(16))"
        let runtime = unsafe getenv("XDG_RUNTIME_DIR").map { unsafe String(cString: $0) }
        // What stands on this machine for this user need not stand on another.
        if !isRemote, let runtime, runtime.hasPrefix("/"), runtime.utf8.count <= 40, unsafe access(runtime, W_OK) == 0 {
            return "\(runtime)/\(name)"
        }
        return "/tmp/\(name)"
    }

    static func make(_ path: String) throws(Fault) { try SocketPlace.make(path) }

    /// Of one rank: short, whatever its job is called.
    static func socket(in path: String, of key: RankKey) -> String {
        let whole = "\(key.job)/\(key.attempt)/\(key.run)/\(key.slot)/\(key.life)"
        return "\(path)/\(SHA256.digest(of: whole).hex.prefix(16))"
    }
}
