import FoundationEssentials
import Glibc

/// A fresh folder that goes with the test.
final class Scratch: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/openclaw-tidy-XXXXXX".utf8CString)
        path = unsafe template.withUnsafeMutableBufferPointer { unsafe String(cString: mkdtemp($0.baseAddress!)) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// What the toolchain needs to be found and to find its own.
    static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { ["PATH", "HOME", "TMPDIR"].contains($0.key) }
    }
}
