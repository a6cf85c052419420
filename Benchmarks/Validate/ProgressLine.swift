import Glibc
import Synchronization

/// What is told of one scenario on stderr: on a terminal how far it is, a few times a second; everywhere a line when it is done.
final class ProgressLine: Sendable {
    private static let pace = Duration.milliseconds(200)

    private let name: String
    private let runs: Int
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let state = Mutex((done: 0, drawn: ContinuousClock.now))

    init(_ name: String, runs: Int) {
        (self.name, self.runs) = (name, runs)
        if isTerminal { tell("\r\u{1B}[K\(name)") }
    }

    /// One run of the scenario is over.
    func ran() {
        let done = state.withLock { state -> Int? in
            state.done += 1
            guard isTerminal, state.drawn.duration(to: .now) >= Self.pace else { return nil }
            state.drawn = .now
            return state.done
        }
        if let done { tell("\r\u{1B}[K\(name)  \(done * 100 / max(1, runs)) %") }
    }

    func end(_ took: Duration, isKept: Bool) {
        let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
        let tenths = Int((seconds * 10).rounded())
        tell("\(isTerminal ? "\r\u{1B}[K" : "")\(name)  \(isKept ? "kept" : "MISSED")  \(tenths / 10).\(tenths % 10) s\n")
    }

    private func tell(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
