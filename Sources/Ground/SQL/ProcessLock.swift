public import Faults
import Glibc
import Synchronization

/// A file that one process at a time holds (flock): two daemons on one home would each decide on half of the truth.
public final class ProcessLock: Sendable {
    public let path: String
    private let descriptor: Mutex<Int32>

    /// Takes the lock at once or says who holds it. The kernel lets go of it when the process ends, however it ends.
    public init(path: String) throws(Fault) {
        self.path = path
        let opened = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else {
            throw Fault(
                .unavailable, what: "The lock file \(path) cannot be opened.", why: unsafe String(cString: strerror(errno)),
                fix: "Check that its folder exists and that this user may write there.")
        }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let holder = ProcessLock.text(in: opened)
            Glibc.close(opened)
            throw Fault(
                .conflict, what: "Another process\(holder.isEmpty ? "" : " (pid \(holder))") holds \(path).",
                why: "Only one daemon at a time may use a home.",
                fix: holder.isEmpty
                    ? "Stop it, or choose another --home." : "Stop it (`kill \(holder)`), or choose another --home.")
        }
        ftruncate(opened, 0)
        let text = Array("\(getpid())\n".utf8)
        _ = unsafe text.withUnsafeBytes { unsafe pwrite(opened, $0.baseAddress, $0.count, 0) }
        descriptor = Mutex(opened)
    }

    deinit { release() }

    /// Lets go of it; doing so again does nothing. The file stays: removing it would race with the next holder.
    public func release() {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            Glibc.close(descriptor)
            descriptor = -1
        }
    }

    private static func text(in descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        return String(decoding: bytes.prefix(max(0, count)).prefix { (0x30...0x39).contains($0) }, as: UTF8.self)
    }
}
