internal import CLinux
import Glibc

/// A TCP connection on a loop: reads into the caller's memory, writes at once what the kernel takes and keeps the rest.
/// Subclasses say what the bytes mean.
open class Connection: EventSource {
    public enum Received: Equatable {
        case bytes(Int)
        /// Nothing is there now; `readable` is called when something is.
        case nothing
        /// The other side has sent its last byte.
        case end
        case failed(Int32)
    }

    /// What the kernel has not taken yet.
    public private(set) var pending = ByteBuffer()
    /// The kernel may have input for us: edge-triggered, so this is remembered until a read says otherwise.
    public internal(set) var mayRead = false
    /// The other side sends nothing more, or the connection broke.
    public internal(set) var inputEnded = false
    /// Set where bytes go through TLS.
    final var secure: TLSStream?
    private var lingering: Lingering?

    private struct Lingering {
        var bytesLeft = 256 << 10
        var isShut = false
    }
    private static let lingerMilliseconds: Int64 = 1_000

    public init(reactor: Reactor, accepted descriptor: Int32) {
        super.init(reactor: reactor, descriptor: descriptor)
        reactor.add(self, listening: .connection)
    }

    // What subclasses answer.

    /// Input may be read (`receive`), or the input's end.
    open func readable() {}
    /// The other side half-closed. Called once, before what it sent was read.
    open func inputEnding() {}
    /// All that was pending has been taken by the kernel.
    open func drained() {}
    /// The connection can be written to for the first time (after connecting).
    open func writable() {}
    /// The connection broke (reset, or writing failed). The subclass closes it.
    open func broke(_ code: Int32) { close() }
    /// The other side could not prove who it is, or TLS could not be agreed on. The subclass closes it.
    open func couldNotSecure(_ why: String) { close() }

    public final override func ready(_ readiness: Readiness) {
        if readiness.contains(.error) { return lingering == nil ? broke(pendingError()) : close() }
        if !readiness.isDisjoint(with: [.input, .inputEnd, .hangUp, .resumed]) { mayRead = true }
        if let secure {
            guard secure.isEstablished else { return shakeHands(secure) }
            if secure.readsWhenWritable, readiness.contains(.output) { mayRead = true }
        }
        if !readiness.isDisjoint(with: [.inputEnd, .hangUp]), !inputEnded {
            inputEnded = true
            inputEnding()
            guard isOpen else { return }
        }
        if readiness.contains(.output) { becameWritable() }
        guard isOpen, mayRead else { return }
        if lingering != nil { discardInput() } else { readable() }
    }

    private func becameWritable() {
        writable()
        guard isOpen, !pending.isEmpty else { return }
        flush()
        guard isOpen, pending.isEmpty else { return }
        if lingering != nil { shutOutput() } else { drained() }
    }

    /// Reads what is there into `space`. A short read means the kernel has no more, so that no second call asks it.
    public final func receive(into space: UnsafeMutableRawBufferPointer) -> Received {
        if let secure { return unsafe receiveSecurely(into: space, secure) }
        while true {
            let count = unsafe claw_receive(descriptor, space.baseAddress, space.count)
            if count > 0 {
                // At the input's end no further edge comes, so the end itself must still be read.
                if count < space.count && !inputEnded { mayRead = false }
                return .bytes(count)
            }
            if count == 0 {
                mayRead = false
                inputEnded = true
                return .end
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                mayRead = false
                return .nothing
            case let code:
                mayRead = false
                return .failed(code)
            }
        }
    }

    /// Writes both parts, one after the other; what the kernel does not take is copied and follows by itself.
    /// False when the connection is broken (`broke` is not called then).
    @discardableResult
    public final func send(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) -> Bool {
        guard isOpen else { return false }
        if !pending.isEmpty {
            unsafe pending.append(first)
            unsafe pending.append(second)
            return true
        }
        let taken = unsafe write(first, second)
        if taken < 0 { return false }
        if taken < first.count {
            unsafe pending.append(UnsafeBufferPointer(rebasing: first[taken...]))
            unsafe pending.append(second)
        } else if taken < first.count + second.count {
            unsafe pending.append(UnsafeBufferPointer(rebasing: second[(taken - first.count)...]))
        }
        return true
    }

    /// Writes one part, as the other `send` does.
    @discardableResult
    public final func send(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        unsafe send(bytes, UnsafeBufferPointer(start: nil, count: 0))
    }

    /// How many bytes the kernel took, 0 when it takes none now, -1 when the connection is broken.
    private func write(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) -> Int {
        if let secure { return unsafe secure.write(first, second) }
        while true {
            let count: Int
            if second.isEmpty {
                count = unsafe claw_send(descriptor, first.baseAddress, first.count)
            } else if first.isEmpty {
                count = unsafe claw_send(descriptor, second.baseAddress, second.count)
            } else {
                count = unsafe claw_send_two(descriptor, first.baseAddress, first.count, second.baseAddress, second.count)
            }
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return 0
            default: return -1
            }
        }
    }

    private func flush() {
        let taken = unsafe write(pending.bytes, UnsafeBufferPointer(start: nil, count: 0))
        if taken < 0 { return lingering == nil ? broke(errno) : close() }
        pending.consume(taken)
    }

    /// The refusal stays readable: what is pending is written, our side is closed, and what the other side still sends is
    /// discarded for a moment. Closing at once would reset the connection, and the answer would be lost with it.
    public final func closeAfterLingering() {
        guard isOpen, lingering == nil else { return }
        lingering = Lingering()
        setDeadline(milliseconds: Self.lingerMilliseconds)
        if pending.isEmpty { shutOutput() }
        if isOpen && mayRead { discardInput() }
    }

    public final var isLingering: Bool { lingering != nil }

    open override func close() {
        secure?.end()
        super.close()
    }

    /// Closes once what is pending was written, without waiting for the other side.
    private func shutOutput() {
        guard lingering?.isShut == false else { return }
        lingering?.isShut = true
        if shutdown(descriptor, Int32(SHUT_WR)) != 0 { close() }
    }

    private func discardInput() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 16) { space in
            while true {
                switch unsafe receive(into: space) {
                case .bytes(let count):
                    lingering?.bytesLeft -= count
                    if lingering?.bytesLeft ?? 0 <= 0 { return close() }
                case .nothing: return
                case .end, .failed: return close()
                }
            }
        }
    }

    /// What `connect` or the network reported; 0 when nothing.
    public final func pendingError() -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        _ = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        return code
    }

    /// Has the kernel ask the other side's now and then whether it still knows this connection. One that only half-closed does;
    /// one that is gone answers with a reset once its kernel has forgotten it, and `broke` is called.
    public final func watchPeer(everySeconds interval: Int32) {
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, interval)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, interval)
    }

    /// Bytes the other side's kernel has acknowledged, the opening handshake counting as one; nil when unknown.
    public final var bytesAcknowledged: Int? {
        let count = claw_tcp_bytes_acknowledged(descriptor)
        return count >= 0 ? Int(count) : nil
    }

    /// Starts connecting; `writable` or `broke` says how it went. Nil with errno when it cannot even start.
    public static func startConnecting(to address: SocketAddress) -> Int32? {
        let kind = streamSocketKind
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { return nil }
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        if address.isLoopback { setPlainCongestionControl(descriptor) }
        let result = unsafe address.withKernelForm { unsafe connect(descriptor, $0, $1) }
        if result == 0 || errno == EINPROGRESS { return descriptor }
        let code = errno
        _ = Glibc.close(descriptor)
        errno = code
        return nil
    }
}
