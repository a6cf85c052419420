/// TLS beneath a connection: its subclasses read and write as they do without.
extension Connection {
    /// Speaks TLS from the first byte on: `writable` is called once the server has proved to be `host` (a name or an address),
    /// `couldNotSecure` when it has not. Called before anything is sent. False when there is no memory.
    public final func secure(by client: TLSClient, host: String, session: TLSSession?) -> Bool {
        precondition(secure == nil && pending.isEmpty, "TLS begins with a connection's first byte")
        secure = TLSStream(client, descriptor: descriptor, host: host, session: session)
        return secure != nil
    }

    public final var isSecure: Bool { secure != nil }

    /// What the server gave to be known again by on the next connection.
    public final var session: TLSSession? { secure?.session() }

    /// Whether this connection's handshake was a short one, by the session of another.
    public final var wasResumed: Bool { secure?.wasResumed == true }

    /// Bytes that went out on the wire; nil where that is what was sent.
    public final var wireBytes: Int? { secure?.wireBytes }

    /// Whether more came than anybody asked for: asked of a connection that is to wait for its next use. What the server says
    /// for TLS alone (a ticket) is taken and is nothing.
    public final func hasLeftovers() -> Bool {
        guard secure != nil, isOpen else { return false }
        return unsafe withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { unsafe receive(into: $0) } != .nothing
    }

    /// The handshake goes on, and what waited for its end.
    final func shakeHands(_ stream: TLSStream) {
        switch stream.shakeHands() {
        case .waits: return
        case .failed(let why): return couldNotSecure(why)
        case .done: break
        }
        writable()
        if isOpen, mayRead { readable() }
    }

    final func receiveSecurely(into space: UnsafeMutableRawBufferPointer, _ stream: TLSStream) -> Received {
        let (received, isDrained) = unsafe stream.read(into: space)
        if isDrained { mayRead = false }
        if received == .end { inputEnded = true }
        return received
    }
}
