internal import CCurl
import Faults
import Glibc
import Sockets
import Synchronization

/// libcurl's multi interface on one thread. The thread starts with the first call and ends with the owner.
final class OutboundLoop: Sendable {
    enum Command: Sendable {
        case add(Transfer)
        case cancel(Transfer)
        case resume(Transfer)
    }
    /// A multi handle may be woken from any thread (curl_multi_wakeup); everything else happens on the loop's thread.
    @safe private struct Multi: @unchecked Sendable {
        let handle: UnsafeMutableRawPointer
    }
    private struct State: Sendable {
        var commands: [Command] = []
        var multi: Multi?
        var isStopped = false
    }
    private let state = Mutex(State())

    func add(_ transfer: Transfer) { enqueue(.add(transfer)) }
    func cancel(_ transfer: Transfer) { enqueue(.cancel(transfer)) }
    func resume(_ transfer: Transfer) { enqueue(.resume(transfer)) }

    /// Ends the thread; calls in flight fail.
    func stop() {
        state.withLock { state in
            state.isStopped = true
            if let multi = state.multi { _ = unsafe curl_multi_wakeup(multi.handle) }
        }
    }

    private func enqueue(_ command: Command) {
        let failure = state.withLock { state -> String? in
            if state.isStopped { return "the caller is shutting down" }
            state.commands.append(command)
            if let multi = state.multi {
                _ = unsafe curl_multi_wakeup(multi.handle)
                return nil
            }
            return start(&state)
        }
        if let failure, case .add(let transfer) = command { transfer.finish(elapsed: .zero, failure: failure) }
    }

    /// What went wrong, if something did.
    private func start(_ state: inout State) -> String? {
        _ = Self.libraryIsReady
        guard let handle = unsafe curl_multi_init() else { return "libcurl cannot be set up" }
        let multi = unsafe Multi(handle: handle)
        do {
            try Threads.start("outbound") { [weak self] in
                var transfers = unsafe OutboundTransfers(multi: multi.handle)
                while let commands = self?.take() {
                    transfers.turn(commands)
                }
                transfers.close()
            }
        } catch {
            _ = unsafe curl_multi_cleanup(handle)
            return error.why
        }
        state.multi = multi
        return nil
    }

    /// Nil when the loop is to end.
    private func take() -> [Command]? {
        state.withLock { state in
            if state.isStopped {
                state.multi = nil
                return nil
            }
            defer { state.commands.removeAll() }
            return state.commands
        }
    }

    private static let libraryIsReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
}
