public import Faults
import Glibc

/// Small text files: what users wrote, and what a home keeps beside its database.
public enum TextFile {
    /// The whole file, or nil when there is none. Refuses what is larger than `bytesMax` or is not UTF-8.
    public static func read(_ path: String, bytesMax: Int) throws(Fault) -> String? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw unreadable(path, systemError())
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path, systemError()) }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= bytesMax else { throw unreadable(path, "it has more than \(bytesMax) bytes") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw unreadable(path, "it is not UTF-8 text") }
        return text
    }

    /// Replaces the file as a whole: a reader sees the old text or the new one, also after a crash.
    public static func write(_ text: String, to path: String, mode: UInt32) throws(Fault) {
        let temporary = "\(path).new"
        unsafe unlink(temporary)
        let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard file >= 0 else { throw unwritable(path, systemError()) }
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes[written...].withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                let error = systemError()
                close(file)
                throw unwritable(path, error)
            }
            written += count
        }
        let isSynced = fsync(file) == 0
        close(file)
        guard isSynced, unsafe rename(temporary, path) == 0 else { throw unwritable(path, systemError()) }
    }

    /// What the last system call failed with, in words.
    static func systemError() -> String { unsafe String(cString: strerror(errno)) }

    private static func unreadable(_ path: String, _ why: String) -> Fault {
        Fault(
            .badConfiguration, what: "\(path) cannot be read.", why: "The system says: \(why).",
            fix: "Check the path and its permissions.")
    }
    private static func unwritable(_ path: String, _ why: String) -> Fault {
        Fault(
            .unavailable, what: "\(path) cannot be written.", why: "The system says: \(why).",
            fix: "Make room, or give this user the right to write there.")
    }
}
