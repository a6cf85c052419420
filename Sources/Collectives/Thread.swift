import Glibc

/// A thread of the library's own. It takes no signals: those are for the program that loaded the library.
struct Thread: @unchecked Sendable {  // the handle is only joined, once
    private let handle: pthread_t

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    init(_ run: @escaping @Sendable () -> Void) throws(CollectiveFailure) {
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        var handle = pthread_t()
        let body = unsafe Unmanaged.passRetained(Body(run))
        let code = unsafe pthread_create(
            &handle, nil,
            { body in
                guard let body = unsafe body else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        if code != 0 {
            unsafe body.release()
            throw unsafe CollectiveFailure(.failed, "no thread could be started: \(String(cString: strerror(code)))")
        }
        self.handle = handle
    }

    func join() { _ = pthread_join(handle, nil) }
}
