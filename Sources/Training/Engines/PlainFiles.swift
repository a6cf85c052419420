import Faults
import Glibc

/// Small files and folders of this user.
enum PlainFiles {
    /// At most `limit` bytes; none where it cannot be read.
    static func read(_ path: String, from offset: Int = 0, limit: Int) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        if offset > 0, lseek(descriptor, offset, SEEK_SET) < 0 { return [] }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(limit, 64 << 10))
        while bytes.count < limit {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress, min($0.count, limit - bytes.count))
            }
            if count <= 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    /// A file that only this user may read, whole or not at all.
    static func write(_ text: String, to path: String) throws(Fault) {
        let draft = path + ".new"
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw fault(path) }
        let bytes = Array(text.utf8)
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        guard count == bytes.count, unsafe rename(draft, path) == 0 else { throw fault(path) }
    }

    /// The folder and those above it, for this user alone.
    static func make(_ path: String) throws(Fault) {
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            made += "/\(part)"
            if unsafe mkdir(made, 0o700) != 0, errno != EEXIST, errno != EACCES, errno != EROFS { throw fault(made) }
        }
        guard isFolder(path) else { throw fault(path) }
    }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Which file this is, and how long: a log that begins anew is another file. Nil where there is none.
    static func identity(_ path: String) -> (file: UInt64, size: Int)? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return (UInt64(status.st_ino), Int(status.st_size))
    }

    private static func fault(_ path: String) -> Fault {
        Fault(
            what: "\(path) cannot be written.", why: unsafe String(cString: strerror(errno)) + ".",
            fix: "See that its folder is writable and the disk has room.")
    }
}
