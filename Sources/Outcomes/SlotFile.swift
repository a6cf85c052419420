import Faults
import Glibc

/// An open file of 64-byte slots: written at its end, read anywhere.
final class SlotFile {
    let path: String
    let descriptor: Int32
    /// Slots that are wholly there.
    private(set) var slots: Int

    init(_ path: String) throws(Fault) {
        self.path = path
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SlotFile.fault("opened", path) }
        var status = stat()
        let code = unsafe fstat(descriptor, &status)
        slots = code == 0 ? Int(status.st_size) / ExposureRecord.bytes : 0
        guard code == 0 else { throw SlotFile.fault("looked at", path) }
    }

    deinit { close(descriptor) }

    /// One write of the first `count` slots of `buffer`. Nothing of it counts unless all of it was written.
    func append(_ count: Int, of buffer: [UInt64]) throws(Fault) {
        precondition(buffer.count >= count * ExposureRecord.words, "the buffer has the slots")
        let (start, size) = (slots * ExposureRecord.bytes, count * ExposureRecord.bytes)
        var done = 0
        while done < size {
            let written = unsafe buffer.withUnsafeBytes {
                unsafe pwrite(descriptor, $0.baseAddress! + done, size - done, start + done)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                let fault = SlotFile.fault("written", path)
                _ = ftruncate(descriptor, start)
                throw fault
            }
            done += written
        }
        slots += count
    }

    /// Reads slots into the beginning of `buffer`; returns how many there were.
    func read(_ range: Range<Int>, into buffer: inout [UInt64]) throws(Fault) -> Int {
        let count = min(range.upperBound, slots) - range.lowerBound
        guard count > 0 else { return 0 }
        precondition(buffer.count >= count * ExposureRecord.words, "the buffer has room")
        let (start, size) = (range.lowerBound * ExposureRecord.bytes, count * ExposureRecord.bytes)
        var done = 0
        while done < size {
            let got = unsafe buffer.withUnsafeMutableBytes {
                unsafe pread(descriptor, $0.baseAddress! + done, size - done, start + done)
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw SlotFile.fault("read", path) }
            done += got
        }
        return count
    }

    /// Cuts off what follows slot `count`, a torn slot at the end included.
    func truncate(to count: Int) throws(Fault) {
        guard ftruncate(descriptor, count * ExposureRecord.bytes) == 0 else { throw SlotFile.fault("truncated", path) }
        slots = count
    }

    static func fault(_ verb: String, _ path: String) -> Fault {
        let reason = unsafe String(cString: strerror(errno))
        return Fault(
            .unavailable, what: "The outcomes file \(path) could not be \(verb).", why: reason,
            fix: "Free space on that file system, or make the folder readable and writable for this user.")
    }
}
