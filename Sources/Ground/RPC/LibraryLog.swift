import Glibc
import JSON
import Synchronization
import Telemetry

/// What gRPC's core has to say, in this program's log. Strangers can make it say something (a failed handshake is one line each), so
/// that no more than a few lines a minute are written, and the rest is counted.
final class LibraryLog: Sendable {
    private static let linesMax = 10
    private static let every = Duration.seconds(60)

    private struct Window {
        var began = ContinuousClock.now
        var lines = 0
        var unsaid = 0
    }
    private let window = Mutex(Window())
    private let log = Log("rpc")

    /// Called by the core, on any of its threads. What is no error is for who looks for one.
    func hear(_ isError: Bool, _ text: UnsafePointer<CChar>?) {
        guard isError || Log.minimumLevel <= .debug, let text = unsafe text else { return }
        let (isTold, unsaid) = window.withLock { window -> (Bool, Int) in
            if window.began.duration(to: .now) >= Self.every { window = Window(began: .now, unsaid: window.unsaid) }
            guard window.lines < Self.linesMax else {
                window.unsaid += 1
                return (false, 0)
            }
            defer { window.unsaid = 0 }
            window.lines += 1
            return (true, window.unsaid)
        }
        guard isTold else { return }
        log.warning("gRPC's core says", ["what": .string(unsafe String(cString: text)), "unsaid_before": .integer(Int64(unsaid))])
    }
}
