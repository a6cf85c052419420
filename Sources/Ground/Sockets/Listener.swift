internal import CLinux
public import Faults
import Glibc

/// A listening socket on a loop; each accepted connection is handed over as a descriptor that is ready for `Connection`.
public final class Listener: EventSource {
    public let address: SocketAddress
    private let accepted: (Int32, IPAddress) -> Void

    /// Accepting a few at a time lets the connections already there have their turn.
    private static let acceptsPerTurnMax = 64

    /// Takes over a socket that `bind` made.
    public init(reactor: Reactor, bound: BoundSocket, accepted: @escaping (Int32, IPAddress) -> Void) {
        address = bound.address
        self.accepted = accepted
        super.init(reactor: reactor, descriptor: bound.descriptor)
        reactor.add(self, listening: .accepting)
    }

    public override func ready(_ readiness: Readiness) {
        for _ in 0..<Self.acceptsPerTurnMax {
            guard isOpen, acceptOne() else { return }
        }
    }

    /// False when nobody is waiting.
    private func acceptOne() -> Bool {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let (client, peer) = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                let client = unsafe claw_accept4(descriptor, address, &length, flags)
                return (client, client >= 0 ? unsafe IPAddress(address) : nil)
            }
        }
        if client >= 0 {
            accepted(client, peer ?? IPAddress(ipv4: in_addr(s_addr: 0)))
            return true
        }
        switch errno {
        case ECONNABORTED, EINTR: return true
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            usleep(1_000)  // level-triggered: without a pause the loop would spin until a descriptor is free
            return false
        default: return false
        }
    }
}

/// A bound, listening socket that no loop watches yet. It can be handed to another thread once.
public struct BoundSocket: Sendable {
    public let address: SocketAddress
    let descriptor: Int32

    /// Binds and listens. With `shared`, several loops may listen on one address (SO_REUSEPORT, the kernel spreads clients).
    public static func bind(_ wanted: SocketAddress, shared: Bool) throws(Fault) -> BoundSocket {
        let kind = streamSocketKind
        let descriptor = socket(wanted.family, kind, 0)
        guard descriptor >= 0 else { throw systemFault("\(wanted.text) cannot be listened on", "socket") }
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if shared { setOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        // Accepted connections inherit it, which saves each a system call.
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        if wanted.isLoopback { setPlainCongestionControl(descriptor) }
        let failed: String? =
            if unsafe wanted.withKernelForm({ unsafe Glibc.bind(descriptor, $0, $1) }) != 0 {
                "bind"
            } else if listen(descriptor, 4_096) != 0 {
                "listen"
            } else {
                nil
            }
        if let failed {
            let fault = systemFault("\(wanted.text) cannot be listened on", failed)
            _ = Glibc.close(descriptor)
            throw fault
        }
        guard let bound = SocketAddress(boundBy: descriptor) else { preconditionFailure("a bound socket has an address") }
        return BoundSocket(address: bound, descriptor: descriptor)
    }

    /// Gives the address back without serving it.
    public func close() { _ = Glibc.close(descriptor) }
}

var streamSocketKind: Int32 { Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue) }

func setOption(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    _ = unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
}

/// Nothing between two sockets of one machine is ever congested: the plainest algorithm costs least there, while the system's
/// choice (BBR, say) estimates bandwidth and paces every segment. Where it is not offered the system's stays.
func setPlainCongestionControl(_ descriptor: Int32) {
    let name: StaticString = "reno"
    _ = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_CONGESTION, name.utf8Start, socklen_t(name.utf8CodeUnitCount))
}
