import Glibc

/// Runs work that blocks (large files) on a thread of its own, which ends with it.
final class BlockingWork {
    private let work: @Sendable () -> Void

    private init(_ work: @escaping @Sendable () -> Void) { self.work = work }

    static func start(_ work: @escaping @Sendable () -> Void) {
        let handed = unsafe Unmanaged.passRetained(BlockingWork(work))
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { raw in
                unsafe Unmanaged<BlockingWork>.fromOpaque(raw!).takeRetainedValue().work()
                return nil
            }, handed.toOpaque())
        if code == 0 {
            pthread_detach(thread)
        } else {
            // No thread is left: late is better than never.
            unsafe handed.takeRetainedValue().work()
        }
    }
}
