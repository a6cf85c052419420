import Faults
import RPC
import Sockets
import Testing

/// Over a network both sides show certificates of one authority: whoever cannot is not spoken to.
@Suite struct RPCIdentityTests {
    private static let name = "daemon.test"

    private func identity(
        _ use: CertificateAuthority.Use, of authority: CertificateAuthority, trusting: CertificateAuthority? = nil
    )
        throws -> RPCIdentity
    {
        let issued = try authority.issue(use, to: use == .server ? Self.name : "worker", days: 1)
        return RPCIdentity(
            authority: (trusting ?? authority).certificate, certificate: issued.certificate, key: issued.key, serverName: Self.name)
    }

    private func serve(as identity: RPCIdentity) throws -> RPCServer {
        try RPCServer(
            on: "127.0.0.1:0", as: identity,
            handlers: [
                "/test.Echo/Once": { call in
                    guard let message = await call.receive() else { return RPCStatus(.invalidArgument, "say something") }
                    _ = await call.send(message)
                    return .ok
                }
            ])
    }

    private func answers(_ server: RPCServer, to identity: RPCIdentity?) async throws -> Bool {
        do {
            return try await RPCChannel(to: server.address, as: identity).ask("/test.Echo/Once", [7], deadline: .seconds(5)) == [7]
        } catch let status as RPCStatus {
            #expect(status.code == .unavailable || status.code == .deadlineExceeded, "\(status)")
            return false
        }
    }

    @Test func `a caller with a certificate of the authority is let in, and nobody else`() async throws {
        let authority = try CertificateAuthority(named: "test", days: 1)
        let stranger = try CertificateAuthority(named: "test", days: 1)
        let server = try serve(as: identity(.server, of: authority))
        #expect(try await answers(server, to: identity(.client, of: authority)))
        #expect(try await !answers(server, to: nil), "without TLS")
        #expect(
            try await !answers(server, to: identity(.client, of: stranger, trusting: authority)), "another authority's certificate")
        #expect(try await !answers(server, to: identity(.server, of: authority)), "a server's certificate does not call")
        await server.stop()
    }

    @Test func `a caller speaks only to the server that its authority named`() async throws {
        let authority = try CertificateAuthority(named: "test", days: 1)
        let caller = try identity(.client, of: authority)
        let worker = try serve(as: identity(.client, of: authority))
        #expect(try await !answers(worker, to: caller), "a worker's certificate does not serve")
        await worker.stop()
        let issued = try authority.issue(.server, to: "another.test", days: 1)
        let other = try serve(
            as: RPCIdentity(
                authority: authority.certificate, certificate: issued.certificate, key: issued.key, serverName: "another.test"))
        #expect(try await !answers(other, to: caller), "made out to another name")
        await other.stop()
    }

    @Test func `an authority is taken up again from its texts, and not from those of two`() throws {
        let authority = try CertificateAuthority(named: "test", days: 1)
        let other = try CertificateAuthority(named: "test", days: 1)
        #expect(CertificateAuthority(certificate: authority.certificate, key: authority.key) == authority)
        #expect(CertificateAuthority(certificate: authority.certificate, key: other.key) == nil)
        #expect(CertificateAuthority(certificate: "", key: "") == nil)
        #expect(throws: Fault.self) { try authority.issue(.client, to: String(repeating: "x", count: 65), days: 1) }
    }
}
