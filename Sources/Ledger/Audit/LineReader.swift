import Faults
import Glibc

/// The lines of a file, one at a time: a file may be larger than the memory.
@safe struct LineReader: ~Copyable {
    enum Line: Equatable {
        case text([UInt8])
        /// Longer than any line that an export has; it was skipped.
        case tooLong
    }

    /// An entry, its leaf, and room for a text that escapes more than ours does.
    private static let lineBytesMax = 8 << 20

    private let path: String
    private let file: Int32
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)
    private var unread = 0..<0

    init(path: String) throws(Fault) {
        let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else {
            throw Fault(
                .notFound, what: "\(path) cannot be read.", why: unsafe String(cString: strerror(errno)),
                fix: "Pass an export, a copy of ledger.db, or a folder that has one.")
        }
        (self.path, file) = (path, opened)
    }

    deinit { close(file) }

    /// The next line without its end; nil after the last. A last line without a line end is one too.
    mutating func next() throws(Fault) -> Line? {
        var line: [UInt8] = []
        var (isTooLong, hasAny) = (false, false)
        while true {
            if unread.isEmpty {
                unread = 0..<(try fill())
                if unread.isEmpty { return hasAny ? (isTooLong ? .tooLong : .text(line)) : nil }
            }
            hasAny = true
            let end = buffer[unread].firstIndex(of: UInt8(ascii: "\n"))
            if line.count + unread.count > LineReader.lineBytesMax { isTooLong = true }
            if isTooLong { line = [] } else { line.append(contentsOf: buffer[unread.lowerBound..<(end ?? unread.upperBound)]) }
            unread = (end.map { $0 + 1 } ?? unread.upperBound)..<unread.upperBound
            if end != nil { return isTooLong ? .tooLong : .text(line) }
        }
    }

    private mutating func fill() throws(Fault) -> Int {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
        guard count >= 0 else {
            throw Fault(
                what: "\(path) cannot be read.", why: unsafe String(cString: strerror(errno)), fix: "Check the file and its disk.")
        }
        return count
    }
}
