import Glibc
import Sockets

/// Runs blocking client code on a thread of its own: on the cooperative pool it would keep the server's handlers from running.
public func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async throws -> R { try await Threads.run("client", body) }

/// One end of a connection, blocking: writes exactly the bytes it is told, and reads with a time limit. Used by one thread at
/// a time.
public final class RawClient: @unchecked Sendable {
    public let descriptor: Int32
    private let recorder: (@Sendable ([UInt8]) -> Void)?
    /// Read from the kernel and not yet handed out.
    private var unread: ArraySlice<UInt8> = []

    public convenience init(port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
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
        self.init(descriptor: descriptor)
    }

    /// Takes over a connected socket; `recorder` sees every byte that arrives.
    public init(descriptor: Int32, recorder: (@Sendable ([UInt8]) -> Void)? = nil) {
        (self.descriptor, self.recorder) = (descriptor, recorder)
        var limit = timeval(tv_sec: 120, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var yes: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
    }
    deinit { Glibc.close(descriptor) }

    // MARK: Writing

    /// False when the other side has closed.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Bool {
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
    public func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    public func endOutput() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes by a reset, as a process that was killed with unread input does.
    public func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    // MARK: Reading

    /// What is there, at most `max` bytes; empty at the end, nil when the time limit passed or the connection was reset.
    public func read(max: Int = 65_536) -> [UInt8]? {
        if unread.isEmpty {
            var space = [UInt8](repeating: 0, count: 65_536)
            let count = unsafe space.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0 { return nil }
            unread = space[..<count]
            recorder?(Array(unread))
        }
        defer { unread = unread.dropFirst(max) }
        return Array(unread.prefix(max))
    }

    /// Everything until the other side ends; nil when it resets or stalls.
    public func readToEnd() -> String? {
        var all: [UInt8] = []
        while true {
            guard let piece = read() else { return nil }
            if piece.isEmpty { return String(decoding: all, as: UTF8.self) }
            all += piece
        }
    }

    /// Everything up to and including `marker`, or what came before the end.
    public func read(until marker: String) -> String {
        let marker = Array(marker.utf8)
        var all: [UInt8] = []
        while !all.suffix(marker.count).elementsEqual(marker) {
            guard let piece = read(max: 1), !piece.isEmpty else { break }
            all += piece
        }
        return String(decoding: all, as: UTF8.self)
    }

    /// Exactly `count` bytes, or fewer at the end.
    public func read(exactly count: Int) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count, let piece = read(max: count - all.count), !piece.isEmpty { all += piece }
        return all
    }

    /// A head and the body that its Content-Length counts; nil when they do not come whole.
    public func readMessage() -> (head: String, body: [UInt8])? {
        let head = read(until: "\r\n\r\n")
        guard head.hasSuffix("\r\n\r\n") else { return nil }
        let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst(15).filter { $0 != " " }) }
        let body = read(exactly: length ?? 0)
        return body.count == length ?? 0 ? (head, body) : nil
    }
}
