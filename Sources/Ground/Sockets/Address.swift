public import Faults
import Glibc

/// An IPv4 or IPv6 address with a port, as `127.0.0.1:7700`, `[::1]:7700` or `localhost:7700` (resolved once, when parsed).
public struct SocketAddress: Hashable, Sendable {
    /// As it was written (`localhost`), or numeric where it came from the kernel.
    public let host: String
    public let port: Int
    /// What the host resolved to.
    public let ip: IPAddress

    init(ip: IPAddress, port: Int) { (self.host, self.port, self.ip) = (ip.text, port, ip) }

    /// Parses `host:port`; a host alone is accepted where a default port is given. Resolving a name may block.
    public init(parsing text: String, defaultPort: Int? = nil) throws(Fault) {
        let (host, portText) = try Self.split(text)
        if let portText {
            guard let number = UInt16(portText), portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                throw Self.unreadable(text, why: "'\(portText)' is not a port number from 0 to 65535.")
            }
            port = Int(number)
        } else if let defaultPort {
            port = defaultPort
        } else {
            throw Self.unreadable(text, why: "It names no port.")
        }
        guard !host.isEmpty else { throw Self.unreadable(text, why: "It names no host.") }
        self.host = host
        ip = try IPAddress(resolving: host, of: text)
    }

    public var isLoopback: Bool { ip.isLoopback }

    /// `host:port`, with brackets around an IPv6 address.
    public var text: String { host.utf8.contains(0x3A) ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static func split(_ text: String) throws(Fault) -> (host: String, port: String?) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw unreadable(text, why: "The bracket of the IPv6 address is not closed.")
            }
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw unreadable(text, why: "Only a port may follow the bracket.") }
            return (String(text[text.index(after: text.startIndex)..<end]), rest.isEmpty ? nil : String(rest.dropFirst()))
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw unreadable(text, why: "An IPv6 address stands in brackets, as in [::1]:7700.") }
        return (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
    }

    private static func unreadable(_ text: String, why: String) -> Fault {
        Fault(.usage, what: "'\(text)' is not an address.", why: why, fix: "Write host:port, for example 127.0.0.1:7700.")
    }
}

/// Sixteen bytes; an IPv4 address stands in them as ::ffff:a.b.c.d, so that one address has one value.
public struct IPAddress: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    static let mappedPrefix: UInt64 = 0x0000_ffff_0000_0000

    public var isIPv4: Bool { high == 0 && low & 0xffff_ffff_0000_0000 == Self.mappedPrefix }
    public var isLoopback: Bool { isIPv4 ? (low >> 24) & 0xff == 127 : high == 0 && low == 1 }

    init(ipv4 address: in_addr) { (high, low) = (0, Self.mappedPrefix | UInt64(UInt32(bigEndian: address.s_addr))) }
    init(ipv6 address: in6_addr) {
        var copy = address
        (high, low) = unsafe withUnsafeBytes(of: &copy) { bytes in
            unsafe (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    init(resolving host: String, of text: String) throws(Fault) {
        var four = in_addr()
        var six = in6_addr()
        if unsafe inet_pton(AF_INET, host, &four) == 1 {
            self.init(ipv4: four)
        } else if unsafe inet_pton(AF_INET6, host, &six) == 1 {
            self.init(ipv6: six)
        } else {
            self = try Self.lookUp(host, of: text)
        }
    }

    /// The first IPv4 address of a name, else its first IPv6 address (servers on `localhost` mostly listen on 127.0.0.1).
    private static func lookUp(_ host: String, of text: String) throws(Fault) -> IPAddress {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &list)
        guard code == 0, let first = unsafe list else {
            throw Fault(
                .usage, what: "The host '\(host)' of '\(text)' is unknown.", why: unsafe String(cString: gai_strerror(code)) + ".",
                fix: "Check the name, or write a numeric address.")
        }
        defer { unsafe freeaddrinfo(first) }
        var found: IPAddress?
        var entry: UnsafeMutablePointer<addrinfo>? = unsafe first
        while let info = unsafe entry {
            if let address = unsafe info.pointee.ai_addr, let ip = unsafe IPAddress(address) {
                if ip.isIPv4 { return ip }
                found = found ?? ip
            }
            unsafe entry = info.pointee.ai_next
        }
        guard let found else {
            throw Fault(
                .usage, what: "The host '\(host)' of '\(text)' has no address.", why: "It resolves to neither IPv4 nor IPv6.",
                fix: "Write a numeric address.")
        }
        return found
    }

    /// From what the kernel or the resolver filled in; nil for other families.
    init?(_ address: UnsafePointer<sockaddr>) {
        switch Int32(unsafe address.pointee.sa_family) {
        case AF_INET:
            self.init(ipv4: unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { unsafe $0.pointee.sin_addr })
        case AF_INET6:
            self.init(ipv6: unsafe address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { unsafe $0.pointee.sin6_addr })
        default:
            return nil
        }
    }

    public var text: String {
        var four = in_addr(s_addr: UInt32(truncatingIfNeeded: low).bigEndian)
        var six = in6_addr()
        unsafe withUnsafeMutableBytes(of: &six) { bytes in
            unsafe bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            let written =
                if isIPv4 {
                    unsafe inet_ntop(AF_INET, &four, buffer.baseAddress, socklen_t(buffer.count))
                } else {
                    unsafe inet_ntop(AF_INET6, &six, buffer.baseAddress, socklen_t(buffer.count))
                }
            guard let start = unsafe written else { preconditionFailure("an address fits INET6_ADDRSTRLEN") }
            return unsafe String(cString: start)
        }
    }
}

extension SocketAddress {
    var family: Int32 { ip.isIPv4 ? AF_INET : AF_INET6 }

    /// Lends the kernel's form of this address.
    func withKernelForm<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        if ip.isIPv4 {
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = UInt16(port).bigEndian
            form.sin_addr.s_addr = UInt32(truncatingIfNeeded: ip.low).bigEndian
            return unsafe withUnsafePointer(to: &form) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var form = sockaddr_in6()
        form.sin6_family = sa_family_t(AF_INET6)
        form.sin6_port = UInt16(port).bigEndian
        unsafe withUnsafeMutableBytes(of: &form.sin6_addr) { bytes in
            unsafe bytes.storeBytes(of: ip.high.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: ip.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return unsafe withUnsafePointer(to: &form) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }

    /// The address a socket is bound to.
    init?(boundBy fd: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let read = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> SocketAddress? in
                guard unsafe getsockname(fd, address, &length) == 0 else { return nil }
                return unsafe SocketAddress(address)
            }
        }
        guard let read else { return nil }
        self = read
    }

    /// From what the kernel filled in; nil for other families.
    init?(_ address: UnsafePointer<sockaddr>) {
        guard let ip = unsafe IPAddress(address) else { return nil }
        // sin_port and sin6_port stand at the same place.
        let port = unsafe UnsafeRawPointer(address).load(fromByteOffset: 2, as: UInt16.self)
        self.init(ip: ip, port: Int(UInt16(bigEndian: port)))
    }
}
