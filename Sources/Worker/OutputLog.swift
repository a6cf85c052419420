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

    private let path: String
    private let rank: Int
    private let state: Mutex<State>

    private struct State {
        var descriptor: Int32
        var size: Int
        /// Begun and not ended.
        var part: [UInt8] = []
        var last: [String] = []
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
    func note(_ text: String) { state.withLock { write(Array("[worker] \(text)".utf8)[...], to: &$0, isNote: true) } }

    func append(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            var rest = bytes
            while let end = rest.firstIndex(of: 0x0A) {
                state.part += rest[..<end]
                endLine(&state)
                rest = rest[(end + 1)...]
            }
            state.part += rest
            while state.part.count > OutputLog.lineBytesMax { endLine(&state) }
        }
    }

    /// Nothing comes any more: what has no end of line yet is written down.
    func end() {
        state.withLock { state in
            if !state.part.isEmpty { endLine(&state) }
            state.hasEnded = true
        }
    }

    var hasEnded: Bool { state.withLock(\.hasEnded) }

    /// The last lines without their time, the newest last.
    var lastLines: [String] { state.withLock(\.last) }

    private func endLine(_ state: inout State) {
        let line = state.part.prefix(OutputLog.lineBytesMax)
        write(line.last == 0x0D ? line.dropLast() : line, to: &state)
        state.part.removeFirst(line.count)
    }

    private func write(_ line: ArraySlice<UInt8>, to state: inout State, isNote: Bool = false) {
        if !isNote {
            if state.last.count >= OutputLog.lastLinesMax { state.last.removeFirst() }
            state.last.append(String(decoding: line.prefix(1_024), as: UTF8.self))
        }
        let bytes = Array("\(Timestamp.now().rfc3339) \(rank) ".utf8) + line + [0x0A]
        if state.size + bytes.count > OutputLog.bytesMax { turnOver(&state) }
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(state.descriptor, $0.baseAddress, $0.count) }
        if count == bytes.count { state.size += count } else { state.lost += 1 }
    }

    private func turnOver(_ state: inout State) {
        close(state.descriptor)
        unsafe rename(path, path + ".1")
        state.descriptor = OutputLog.open(path)
        state.size = 0
    }

    deinit { close(state.withLock(\.descriptor)) }
}
