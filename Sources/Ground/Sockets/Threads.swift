internal import CLinux
public import Faults
import Glibc

/// Threads of our own, for loops and for calls that block (never on Swift's cooperative pool).
public enum Threads {
    private final class Entry {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
    }

    /// Starts a detached thread. The name shows in `top -H`, cut to 15 bytes.
    public static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Fault) {
        let entry = unsafe Unmanaged.passRetained(Entry(name: name, body: body))
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        defer { unsafe pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let result = unsafe pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let entry = unsafe Unmanaged<Entry>.fromOpaque(argument).takeRetainedValue()
                unsafe claw_name_thread(entry.name)
                entry.body()
                return nil
            }, entry.toOpaque())
        guard result == 0 else {
            unsafe entry.release()
            throw systemFault("The thread '\(name)' cannot be started", "pthread_create", code: result)
        }
    }

    /// Runs a blocking call on a thread of its own and waits for it.
    public static func run<R: Sendable>(_ name: String, _ body: @escaping @Sendable () -> R) async throws(Fault) -> R {
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Result<R, Fault>, Never>) in
            do throws(Fault) {
                try start(name) { continuation.resume(returning: .success(body())) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }
}

/// A system call's failure as a person reads it.
func systemFault(_ what: String, _ call: String, code: Int32 = errno) -> Fault {
    let fix =
        switch code {
        case EMFILE, ENFILE: "Raise the limit on open files (ulimit -n)."
        case EADDRINUSE: "Stop the program that holds the address (ss -ltnp shows it), or choose another."
        case EACCES: "Choose a port above 1023, or allow the program to bind it."
        case EADDRNOTAVAIL: "Choose an address of this machine (ip address shows them)."
        default: "See errno \(code) in `man \(call)`."
        }
    return Fault(.unavailable, what: what + ".", why: "\(call): \(unsafe String(cString: strerror(code))).", fix: fix)
}
