public import Faults
import Glibc

/// Reads comma-separated values (RFC 4180) row by row, in memory that does not grow with the file. Lines may end in LF or CRLF, a
/// field in quotes may hold both, and a byte order mark is skipped. Whatever two readers could understand differently is refused.
public struct CSVReader: ~Copyable {
    public static let fieldBytesMax = 1 << 20
    public static let columnsMax = 4_096

    /// One row: its bytes without quotes, and where each field ends.
    public struct Row: Sendable {
        fileprivate(set) var bytes: [UInt8] = []
        fileprivate(set) var ends: [Int] = []
        public init() {}

        /// Where it began, counted from 1.
        public fileprivate(set) var line = 1

        public var count: Int { ends.count }
        public subscript(_ column: Int) -> String {
            String(decoding: bytes[(column == 0 ? 0 : ends[column - 1])..<ends[column]], as: UTF8.self)
        }
    }

    private enum State { case start, plain, quoted, closed }

    private let path: String
    private let file: Int32
    private var chunk: [UInt8] = []
    private var place = 0
    private var line = 1

    public init(path: String) throws(Fault) {
        file = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        guard file >= 0 else {
            throw Fault(
                errno == ENOENT ? .notFound : .failed, what: "\(path) cannot be read", why: unsafe String(cString: strerror(errno)),
                fix: "name a file of comma-separated values")
        }
        if try fill(), chunk.starts(with: [0xEF, 0xBB, 0xBF]) { place = 3 }
    }

    deinit { close(file) }

    /// The next row into `row`; false at the end. A last line without an end counts; an empty line does not.
    public mutating func next(into row: inout Row) throws(Fault) -> Bool {
        while true {
            let found = try read(&row)
            if !found { return false }
            if row.count > 1 || !row.bytes.isEmpty { return true }
        }
    }

    private mutating func read(_ row: inout Row) throws(Fault) -> Bool {
        row.bytes.removeAll(keepingCapacity: true)
        row.ends.removeAll(keepingCapacity: true)
        row.line = line
        var (state, begin) = (State.start, 0)
        while true {
            if place == chunk.count {
                guard try fill() else {
                    if state == .quoted { throw fault("a quote is never closed", at: row.line) }
                    if state == .start, row.ends.isEmpty { return false }
                    row.ends.append(row.bytes.count)
                    return true
                }
            }
            let byte = chunk[place]
            place += 1
            switch (state, byte) {
            case (.quoted, 0x22): state = .closed
            case (.closed, 0x22):
                row.bytes.append(byte)
                state = .quoted
            case (.start, 0x22): state = .quoted
            case (.start, 0x2C), (.plain, 0x2C), (.closed, 0x2C):
                row.ends.append(row.bytes.count)
                (state, begin) = (.start, row.bytes.count)
                guard row.ends.count < Self.columnsMax else { throw fault("it has more than \(Self.columnsMax) fields", at: line) }
            case (.start, 0x0A), (.plain, 0x0A), (.closed, 0x0A):
                row.ends.append(row.bytes.count)
                line += 1
                return true
            case (.start, 0x0D), (.plain, 0x0D), (.closed, 0x0D):
                if place == chunk.count { _ = try fill() }
                guard place < chunk.count, chunk[place] == 0x0A else { throw fault("a carriage return stands alone", at: line) }
            case (.plain, 0x22): throw fault("a quote stands inside a field that did not begin with one", at: line)
            case (.closed, _): throw fault("something stands between a closing quote and the next comma", at: line)
            case (_, 0x00): throw fault("it has a NUL byte", at: line)
            default:
                if byte == 0x0A { line += 1 }
                if state == .start { state = .plain }
                row.bytes.append(byte)
                guard row.bytes.count - begin <= Self.fieldBytesMax else {
                    throw fault("a field has more than \(Self.fieldBytesMax) bytes", at: row.line)
                }
            }
        }
    }

    /// The next part of the file; false at its end.
    private mutating func fill() throws(Fault) -> Bool {
        if chunk.isEmpty { chunk = Array(repeating: 0, count: 1 << 18) }
        var buffer = Array(repeating: UInt8(0), count: 1 << 18)
        let descriptor = file
        var count = -1
        repeat {
            count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
        } while count < 0 && errno == EINTR
        guard count >= 0 else {
            throw Fault(
                what: "\(path) cannot be read", why: unsafe String(cString: strerror(errno)), fix: "name a file, not a folder")
        }
        buffer.removeLast(buffer.count - count)
        (chunk, place) = (buffer, 0)
        return count > 0
    }

    private func fault(_ why: String, at line: Int) -> Fault {
        Fault(
            .badConfiguration, what: "\(path) line \(line) cannot be read", why: why,
            fix: "write it as comma-separated values of RFC 4180: fields with commas, quotes or line ends in quotes, quotes doubled"
        )
    }
}
