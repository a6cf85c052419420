import Glibc
import Sockets

/// Runs blocking client code on a thread of its own: on the cooperative pool it would keep the server's handlers from running.
func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async throws -> R { try await Threads.run("client", body) }

/// A blocking client that writes exactly the bytes it is told, and reads with a time limit. Used by one thread at a time.
final class RawClient: @unchecked Sendable {
    let descriptor: Int32

    init(port: Int) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "cannot connect: errno \(errno)")
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    deinit { Glibc.close(descriptor) }

    /// False when the other side has closed.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var at = 0
        while at < bytes.count {
            let count = unsafe bytes[at...].withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            at += count
        }
        return true
    }
    @discardableResult
    func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    func endOutput() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What is there, at most `max` bytes; empty at the end, nil when the time limit passed or the connection was reset.
    func read(max: Int = 65_536) -> [UInt8]? {
        var space = [UInt8](repeating: 0, count: max)
        let count = unsafe space.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        return count < 0 ? nil : Array(space[..<count])
    }

    /// Everything until the other side ends; nil when it resets or stalls.
    func readToEnd() -> String? {
        var all: [UInt8] = []
        while true {
            guard let piece = read() else { return nil }
            if piece.isEmpty { return String(decoding: all, as: UTF8.self) }
            all += piece
        }
    }

    /// Everything up to and including `marker`.
    func read(until marker: String) -> String {
        var all: [UInt8] = []
        while !String(decoding: all, as: UTF8.self).contains(marker) {
            guard let piece = read(max: 1), !piece.isEmpty else { break }
            all += piece
        }
        return String(decoding: all, as: UTF8.self)
    }
}
