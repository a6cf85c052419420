public import Faults
import Glibc
import Synchronization

/// The thread that one connection lives on. It runs an actor's jobs in order, so that a blocking call to SQLite never
/// holds one of the few threads of Swift's cooperative pool.
@safe public final class DatabaseThread: SerialExecutor {
    private struct Queue {
        var jobs: [UnownedJob] = []
        var isStopped = false
    }

    private let queue = Mutex(Queue())
    /// Counts what the thread has not looked at yet: one for each job, one for the stop.
    private nonisolated(unsafe) let pending: UnsafeMutablePointer<sem_t>

    public init() throws(Fault) {
        unsafe pending = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        unsafe sem_init(pending, 0, 0)
        let retained = unsafe Unmanaged.passRetained(self)
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { raw in
                // The reference taken above keeps the executor alive until its last job has run.
                unsafe Unmanaged<DatabaseThread>.fromOpaque(raw!).takeRetainedValue().serve()
                return nil
            }, retained.toOpaque())
        guard code == 0 else {
            unsafe retained.release()
            throw Fault(
                .unavailable, what: "A thread for the database could not be started.",
                why: unsafe String(cString: strerror(code)),
                fix: "Raise the limit on processes (`ulimit -u`), or stop something else.")
        }
        pthread_detach(thread)
    }

    deinit {
        unsafe sem_destroy(pending)
        unsafe pending.deallocate()
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.withLock { $0.jobs.append(job) }
        unsafe sem_post(pending)
    }

    /// The thread ends when what is queued has run.
    public func stop() {
        queue.withLock { $0.isStopped = true }
        unsafe sem_post(pending)
    }

    private func serve() {
        // Signals belong to the threads that wait for them.
        var every = sigset_t()
        unsafe sigfillset(&every)
        unsafe pthread_sigmask(SIG_BLOCK, &every, nil)
        while true {
            while unsafe sem_wait(pending) != 0 {}
            let (jobs, isStopped) = queue.withLock { queue in
                defer { queue.jobs.removeAll() }
                return (queue.jobs, queue.isStopped)
            }
            for job in jobs { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
            if isStopped && jobs.isEmpty { return }
        }
    }
}
