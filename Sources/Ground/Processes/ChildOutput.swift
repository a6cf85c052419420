import Faults
import Glibc

/// The file a child writes its output to. It is the child's own descriptor, so that output survives this daemon; this side
/// only cuts what is past the limit.
struct ChildOutput {
    let descriptor: Int32
    let limit: Int

    /// A fresh file that only this user may read.
    static func create(_ path: String, limit: Int) throws(Fault) -> ChildOutput {
        // Appending keeps the child's next write behind whatever was cut.
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Fault(
                what: "The output of a command cannot be captured.", why: "\(path): \(unsafe String(cString: strerror(errno))).",
                fix: "Make its folder writable for this user.")
        }
        return ChildOutput(descriptor: descriptor, limit: limit)
    }

    /// Takes up the file of a process that runs already; nil when its output is no plain file.
    static func find(of processID: Int32, limit: Int) -> ChildOutput? {
        guard let path = ProcessTable.target(ofDescriptor: STDOUT_FILENO, in: processID) else { return nil }
        let descriptor = unsafe open(path, O_RDWR | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return nil
        }
        return ChildOutput(descriptor: descriptor, limit: limit)
    }

    /// Cuts the file at its limit and says so in it. The sizes after two cuts are the same: only new bytes are cut again.
    func cut() {
        let note = Array("\n[cut: only the first \(limit) bytes of output are kept]\n".utf8)
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, Int(status.st_size) > limit, Int(status.st_size) != limit + note.count else {
            return
        }
        ftruncate(descriptor, off_t(limit))
        _ = unsafe note.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    }

    func giveBack() { close(descriptor) }

    static func tail(of path: String, bytes: Int) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        let start = max(0, size - bytes)
        var buffer = [UInt8](repeating: 0, count: size - start)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, off_t(start)) }
        var lines = buffer[..<max(0, count)]
        // The first line is only a part of one where bytes before it were left out.
        if start > 0, let end = lines.firstIndex(of: 0x0A), end + 1 < lines.endIndex { lines = lines[(end + 1)...] }
        while lines.last == 0x0A { lines.removeLast() }
        return String(decoding: lines, as: UTF8.self)
    }
}
