public import Faults
import Glibc

/// The folder that unix sockets stand in.
public enum SocketPlace {
    /// Makes it, or sees that the one there is nobody else's. Faults: it is, or cannot be made.
    public static func make(_ path: String) throws(Fault) {
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
}
