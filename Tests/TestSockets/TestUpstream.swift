import Glibc
import Sockets
import Synchronization

/// A real server for tests: a thread for each connection, served by a closure, every byte that arrives recorded.
public final class TestUpstream: Sendable {
    public let port: Int
    private let listener: Int32
    private let record: Record

    private final class Record: Sendable {
        let bytes = Mutex<[UInt8]>([])
        let connections = Atomic<Int>(0)
    }

    /// Every byte that any connection brought.
    public var seen: String { String(decoding: record.bytes.withLock(\.self), as: UTF8.self) }
    public var seenCount: Int { record.bytes.withLock(\.count) }
    public var connections: Int { record.connections.load(ordering: .sequentiallyConsistent) }

    /// `records` false for tests whose bodies are too large to keep.
    public init(records: Bool = true, _ serve: @escaping @Sendable (RawClient) -> Void) throws {
        let (listener, port) = Self.listen()
        (self.listener, self.port) = (listener, port)
        let record = Record()
        self.record = record
        try Threads.start("upstream") {
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                record.connections.wrappingAdd(1, ordering: .sequentiallyConsistent)
                try? Threads.start("upstream") {
                    serve(RawClient(descriptor: descriptor) { bytes in if records { record.bytes.withLock { $0 += bytes } } })
                }
            }
        }
    }

    /// Answers every request with 200 and what `answer` makes of head and body.
    public static func answering(_ answer: @escaping @Sendable (_ head: String, _ body: [UInt8]) -> String) throws -> TestUpstream {
        try TestUpstream { connection in
            while let (head, body) = connection.readMessage() {
                let text = answer(head, body)
                guard connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)") else { return }
            }
        }
    }

    /// Accepts nobody any more.
    public func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
    deinit { stop() }

    private static func listen() -> (Int32, Int) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(unsafe bind(listener, $0, length) == 0)
                precondition(Glibc.listen(listener, 256) == 0)
                precondition(unsafe getsockname(listener, $0, &length) == 0)
            }
        }
        return (listener, Int(UInt16(bigEndian: address.sin_port)))
    }
}
