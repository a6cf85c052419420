import Glibc
import Synchronization
import Telemetry

/// A rank's output on disk: every line with the moment it was written at and the rank, in a file that begins anew when it is
/// full; one old file is kept. It also knows the last lines.
final class OutputLog: Sendable {
    /// Of each of the two files.
    static let bytesMax = 16 << 20
    static let lineBytesMax = 16 << 10
    static let lastLinesMax = 60
    /// Bytes that are written at once.
    static let pendingMax = 256 << 10

    private let path: String
    private let rank: Int
    private let state: Mutex<State>

    private struct State {
        var descriptor: Int32
        var size: Int
        /// Begun and not ended.
        var part: [UInt8] = []
        /// The beginnings of the newest lines.
        var last: [[UInt8]] = []
        /// On their way to the file, so many lines: written together, because a system call for each would slow a script down
        /// that prints much.
        var pending: [UInt8] = []
        var pendingLines = 0
        /// Lines that a full disk kept out of the file.
        var lost = 0
        var hasEnded = false
    }

    /// Goes on with the file that is there.
    init(path: String, rank: Int) {
        (self.path, self.rank) = (path, rank)
        let descriptor = OutputLog.open(path)
        state = Mutex(State(descriptor: descriptor, size: max(0, Int(lseek(descriptor, 0, SEEK_END)))))
    }

    private static func open(_ path: String) -> Int32 {
        unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    }

    /// What this Worker itself has to say, between the script's lines.
    func note(_ text: String) {
        state.withLock { state in
            OutputLog.put(Array("[worker] \(text)".utf8)[...], head, to: &state)
            write(&state)
        }
    }

    func append(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            let head = head
            var rest = bytes
            while let end = OutputLog.lineEnd(in: rest) {
                if state.part.isEmpty {
                    cut(rest[..<end], head, &state)
                } else {
                    state.part += rest[..<end]
                    endPart(head, &state)
                }
                rest = rest[(end + 1)...]
            }
            state.part += rest
            // What is longer than a line is cut now; the rest waits for its end.
            if state.part.count > OutputLog.lineBytesMax {
                let rest = (state.part.count - 1) % OutputLog.lineBytesMax + 1
                cut(state.part.dropLast(rest), head, &state)
                state.part.removeFirst(state.part.count - rest)
            }
            write(&state)
        }
    }

    /// Where the first line ends: a search of the C library's, because a script may print a hundred megabytes.
    private static func lineEnd(in bytes: ArraySlice<UInt8>) -> Int? {
        unsafe bytes.withUnsafeBytes { bytes -> Int? in
            guard let start = bytes.baseAddress, let end = unsafe memchr(start, 0x0A, bytes.count) else { return nil }
            return unsafe UnsafeRawPointer(end) - start
        }.map { bytes.startIndex + $0 }
    }

    /// Nothing comes any more: what has no end of line yet is written down.
    func end() {
        state.withLock { state in
            if !state.part.isEmpty { endPart(head, &state) }
            write(&state)
            state.hasEnded = true
        }
    }

    var hasEnded: Bool { state.withLock(\.hasEnded) }

    /// The last lines without their time, the newest last.
    var lastLines: [String] {
        state.withLock(\.last).suffix(OutputLog.lastLinesMax).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Lines that could not be written until now.
    var lost: Int { state.withLock(\.lost) }

    /// Begins each line that is written now.
    private var head: [UInt8] { Array("\(Timestamp.now().rfc3339) \(rank) ".utf8) }

    private func endPart(_ head: [UInt8], _ state: inout State) {
        let part = state.part
        state.part = []
        cut(part[...], head, &state)
    }

    /// A line that is too long is several.
    private func cut(_ whole: ArraySlice<UInt8>, _ head: [UInt8], _ state: inout State) {
        var rest = whole.last == 0x0D ? whole.dropLast() : whole
        repeat {
            let line = rest.prefix(OutputLog.lineBytesMax)
            rest = rest.dropFirst(line.count)
            state.last.append(Array(line.prefix(1_024)))
            OutputLog.put(line, head, to: &state)
            if state.pending.count >= OutputLog.pendingMax { write(&state) }
        } while !rest.isEmpty
        // Now and then, so that it costs nothing for each line.
        if state.last.count >= 4 * OutputLog.lastLinesMax { state.last.removeFirst(state.last.count - OutputLog.lastLinesMax) }
    }

    private static func put(_ line: ArraySlice<UInt8>, _ head: [UInt8], to state: inout State) {
        state.pending += head
        state.pending += line
        state.pending.append(0x0A)
        state.pendingLines += 1
    }

    private func write(_ state: inout State) {
        guard !state.pending.isEmpty else { return }
        defer { (state.pending, state.pendingLines) = ([], 0) }
        if state.lost > 0 { state.pending += head + Array("[worker] \(state.lost) lines before could not be written here\n".utf8) }
        if state.size + state.pending.count > OutputLog.bytesMax { turnOver(&state) }
        let count = unsafe state.pending.withUnsafeBytes { unsafe Glibc.write(state.descriptor, $0.baseAddress, $0.count) }
        state.size += max(0, count)
        state.lost = count == state.pending.count ? 0 : state.lost + state.pendingLines
    }

    private func turnOver(_ state: inout State) {
        close(state.descriptor)
        unsafe rename(path, path + ".1")
        state.descriptor = OutputLog.open(path)
        state.size = 0
    }

    deinit { close(state.withLock(\.descriptor)) }
}
