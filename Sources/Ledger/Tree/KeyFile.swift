import Faults
import Glibc

/// Small files that must be whole after a crash: written beside their place, synchronised, renamed.
enum KeyFile {
    private static let bytesMax = 4 << 10

    static func read(_ path: String) throws(Fault) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw fault(path, "read") }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw fault(path, "read") }
        return Array(bytes.prefix(count))
    }

    /// Never readable by others for a moment: it is created with its mode.
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(Fault) {
        let beside = path + ".new"
        unsafe unlink(beside)
        let file = unsafe open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard file >= 0 else { throw fault(path, "written") }
        defer { close(file) }
        let count = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) }
        // The process's umask may have narrowed the mode; it never widens it.
        guard count == bytes.count, fchmod(file, mode) == 0, fsync(file) == 0, unsafe rename(beside, path) == 0 else {
            throw fault(path, "written")
        }
        try synchroniseFolder(of: path)
    }

    /// A new name is durable when its folder is.
    private static func synchroniseFolder(of path: String) throws(Fault) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let opened = unsafe open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { throw fault(path, "written") }
        defer { close(opened) }
        guard fsync(opened) == 0 else { throw fault(path, "written") }
    }

    private static func fault(_ path: String, _ verb: String) -> Fault {
        Fault(
            .unavailable, what: "\(path) could not be \(verb).", why: unsafe String(cString: strerror(errno)),
            fix: "Check its folder's owner, mode and free space.")
    }
}
