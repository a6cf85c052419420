internal import CGRPC

/// What one side of a connection shows the other: a certificate and its key, and the authority that must have signed the
/// other's. All in PEM.
public struct RPCIdentity: Codable, Equatable, Sendable {
    public var authority: String
    public var certificate: String
    public var key: String
    /// To whom the server's certificate is made out, whatever address it is reached by.
    public var serverName: String

    public init(authority: String, certificate: String, key: String, serverName: String) {
        (self.authority, self.certificate, self.key, self.serverName) = (authority, certificate, key, serverName)
    }

    /// Lends it to the C core for one call; nil for a connection without TLS.
    static func lend<Answer>(_ identity: RPCIdentity?, to body: (UnsafePointer<claw_rpc_identity>?) -> Answer) -> Answer {
        guard let identity else { return body(nil) }
        return unsafe identity.authority.withCString { authority in
            unsafe identity.certificate.withCString { certificate in
                unsafe identity.key.withCString { key in
                    unsafe identity.serverName.withCString { name in
                        var lent = unsafe claw_rpc_identity(
                            authority: authority, certificate: certificate, key: key, server_name: name)
                        return unsafe body(&lent)
                    }
                }
            }
        }
    }
}
