import Faults
import Glibc
import JSON
import Sockets
import Synchronization

/// The unix socket that the script may speak to its Worker through: lines of JSON (docs/protocols/worker.md).
final class ScriptDoor: Sendable {
    static let lineBytesMax = 256 << 10
    /// One process speaks; a few more may try.
    static let connectionsMax = 16

    let path: String
    private let listener: Int32
    private let connections = Mutex<[Int32]>([])
    /// Those that have said hello: nobody hears anything before.
    private let greeted = Mutex<Set<Int32>>([])
    private let isClosed = Mutex(false)
    private let hear: @Sendable (JSONValue, Int32) -> Void

    /// `hear` is called with each message and the connection it came by, in order, on threads of their own.
    init(path: String, hear: @escaping @Sendable (JSONValue, Int32) -> Void) throws(Fault) {
        (self.path, self.hear) = (path, hear)
        unsafe unlink(path)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard bytes.count <= room else {
            throw Fault(
                what: "The script cannot speak to its Worker.", why: "\(path) is longer than \(room) bytes.",
                fix: "Set XDG_RUNTIME_DIR to a shorter path.")
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let code = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard listener >= 0, code == 0, listen(listener, 16) == 0 else {
            throw Fault(
                what: "The script cannot speak to its Worker.", why: "\(path): \(unsafe String(cString: strerror(errno))).",
                fix: "See that its folder is there and writable.")
        }
        try Threads.start("script door") { [self] in accept() }
    }

    private func accept() {
        while case let descriptor = Glibc.accept(listener, nil, nil), descriptor >= 0 || errno == EINTR {
            if descriptor < 0 { continue }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            var patience = timeval(tv_sec: 1, tv_usec: 0)
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            let isTooMany = connections.withLock { connections in
                if connections.count >= ScriptDoor.connectionsMax { return true }
                connections.append(descriptor)
                return false
            }
            let isServed = !isTooMany && (try? Threads.start("script") { [self] in read(descriptor) }) != nil
            if !isServed { end(descriptor) }
        }
        isClosed.withLock { $0 = true }
    }

    /// Lets nobody in any more, but those that wait already: what they have said is heard still.
    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    /// After `close`: whether all that was said has been heard.
    var isQuiet: Bool { isClosed.withLock(\.self) && connections.withLock(\.isEmpty) }

    private func read(_ descriptor: Int32) {
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            line += buffer[..<count]
            var start = line.startIndex
            while let end = line[start...].firstIndex(of: 0x0A) {
                guard end - start <= ScriptDoor.lineBytesMax, let message = try? JSONValue(parsing: Array(line[start..<end])) else {
                    return self.end(descriptor)
                }
                hear(message, descriptor)
                start = end + 1
            }
            line.removeSubrange(..<start)
            if line.count > ScriptDoor.lineBytesMax { break }
        }
        end(descriptor)
    }

    /// To everybody who has said hello. One that does not read for a second is left out.
    func say(_ message: JSONValue) { for descriptor in greeted.withLock(\.self).sorted() { say(message, to: descriptor) } }

    /// The first words to somebody who has said hello.
    func greet(_ descriptor: Int32, with message: JSONValue) {
        say(message, to: descriptor)
        _ = greeted.withLock { $0.insert(descriptor) }
    }

    func say(_ message: JSONValue, to descriptor: Int32) {
        let bytes = Array((message.canonicalText + "\n").utf8)
        connections.withLock { connections in
            guard connections.contains(descriptor) else { return }
            let count = unsafe bytes.withUnsafeBytes { unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            // Half a line would spoil what follows: it learns from the end that it missed something.
            if count != bytes.count { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    private func end(_ descriptor: Int32) {
        _ = greeted.withLock { $0.remove(descriptor) }
        connections.withLock { connections in
            connections.removeAll { $0 == descriptor }
            Glibc.close(descriptor)
        }
    }

    func remove() { unsafe unlink(path) }
}
