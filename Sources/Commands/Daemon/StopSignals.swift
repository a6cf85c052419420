import Glibc
import Synchronization

/// Where a signal handler, which may touch next to nothing, leaves word: the writing end of a pipe, and how often it was called.
private let signalPipe = Atomic<Int32>(-1)
private let signalCount = Atomic<Int>(0)

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
struct StopSignals {
    private let arrivals: AsyncStream<UInt8>

    init() {
        var ends: [Int32] = [-1, -1]
        let code = unsafe ends.withUnsafeMutableBufferPointer { unsafe pipe($0.baseAddress!) }
        precondition(code == 0, "no pipe for signals")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        signalPipe.store(ends[1], ordering: .releasing)
        signalCount.store(0, ordering: .releasing)
        let (arrivals, continuation) = AsyncStream.makeStream(of: UInt8.self)
        self.arrivals = arrivals
        StopSignals.readOnThread(ends[0], continuation)
        for number in [SIGTERM, SIGINT] { StopSignals.handle(number) }
        // A client that goes away shows as EPIPE where it is written to.
        signal(SIGPIPE, SIG_IGN)
    }

    func first() async {
        for await _ in arrivals { return }
    }

    private static func handle(_ number: Int32) {
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { number in
            if signalCount.add(1, ordering: .relaxed).newValue > 1 { _exit(128 + number) }
            var byte = UInt8(truncatingIfNeeded: number)
            _ = unsafe write(signalPipe.load(ordering: .acquiring), &byte, 1)
        }
        action.sa_flags = SA_RESTART
        unsafe sigaction(number, &action, nil)
    }

    private final class Reader: Sendable {
        let file: Int32
        let continuation: AsyncStream<UInt8>.Continuation
        init(_ file: Int32, _ continuation: AsyncStream<UInt8>.Continuation) {
            (self.file, self.continuation) = (file, continuation)
        }
    }

    /// A blocking read must not hold a thread of the cooperative pool.
    private static func readOnThread(_ file: Int32, _ continuation: AsyncStream<UInt8>.Continuation) {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(Reader(file, continuation)).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                let reader = unsafe Unmanaged<Reader>.fromOpaque(context).takeRetainedValue()
                var byte: UInt8 = 0
                while unsafe read(reader.file, &byte, 1) == 1 { reader.continuation.yield(byte) }
                return nil
            }, context)
        precondition(code == 0, "no thread to wait for signals on")
        pthread_detach(thread)
    }
}
