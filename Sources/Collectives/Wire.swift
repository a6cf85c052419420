internal import CCollectives
import Glibc

/// A connection that carries short messages of known length, read and written without waiting.
struct Wire {
    let descriptor: Int32
    private var received: [UInt8] = []

    init(descriptor: Int32) { self.descriptor = descriptor }

    enum Reading: Equatable {
        case whole([UInt8])
        case partial
        case ended
    }

    /// The next `count` bytes, once all are there.
    mutating func read(_ count: Int) -> Reading {
        while received.count < count {
            var bytes = [UInt8](repeating: 0, count: count - received.count)
            let got = unsafe recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            if got > 0 {
                received += bytes[..<got]
            } else if got < 0, errno == EINTR {
                continue
            } else {
                return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? .partial : .ended
            }
        }
        defer { received = [] }
        return .whole(received)
    }

    /// Sends a message that is far shorter than what a socket's buffer holds. False when the connection is gone, or its reader
    /// has stopped reading.
    func write(_ bytes: [UInt8]) -> Bool {
        var sent: Int
        repeat {
            sent = unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        } while sent < 0 && errno == EINTR
        return sent == bytes.count
    }

    func close() { claw_close(descriptor) }
}

/// What to wait for on some descriptors.
struct Readiness {
    private var polled: [pollfd] = []

    /// Its place, for `isReady`.
    @discardableResult mutating func add(_ descriptor: Int32, writing: Bool = false) -> Int {
        polled.append(pollfd(fd: descriptor, events: Int16(writing ? POLLOUT : POLLIN), revents: 0))
        return polled.count - 1
    }

    /// Returns when one is ready, or after some milliseconds (negative: no limit).
    mutating func wait(milliseconds: Int32) {
        let count = nfds_t(polled.count)
        if unsafe poll(&polled, count, milliseconds) <= 0 {
            for index in polled.indices { polled[index].revents = 0 }
        }
    }

    func isReady(_ place: Int) -> Bool { polled[place].revents != 0 }
}

/// Monotonic time as the operations count it.
enum Stopwatch {
    static var now: Int64 { claw_now() }
    static func deadline(in seconds: Double) -> Int64? { seconds > 0 ? now + Int64(min(seconds, 1e9) * 1e9) : nil }
    /// What is left, for `poll`: at most `limit`, and never negative.
    static func milliseconds(until deadline: Int64?, limit: Int32) -> Int32 {
        guard let deadline else { return limit }
        return Int32(max(0, min(Int64(limit), (deadline - now + 999_999) / 1_000_000)))
    }
}
