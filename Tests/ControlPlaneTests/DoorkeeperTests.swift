import Faults
import HTTP
import Sockets
import Testing

@testable import ControlPlane

struct DoorkeeperTests {
    private func keeper(_ address: String) throws -> Doorkeeper { Doorkeeper(bound: try SocketAddress(parsing: address)) }
    private func request(_ headers: (String, String)...) -> HTTPRequest {
        HTTPRequest(method: "GET", path: "/", headers: HTTPHeaders(headers))
    }

    @Test(arguments: ["localhost:7701", "127.0.0.1:7701", "[::1]:7701", "LOCALHOST", "127.0.0.1:9999"])
    func `loopback may be named by any of its names, through any forwarded port`(host: String) throws {
        try keeper("127.0.0.1:7701").checkHost(request(("Host", host)))
    }

    @Test(arguments: [
        "evil.example:7701", "127.0.0.1.evil.example", "10.0.0.5:7701", "localhost.", "user@localhost", "[::1", "localhost:x",
    ])
    func `a name this API is not known by is refused, so that a re-pointed DNS name cannot reach it`(host: String) throws {
        let keeper = try keeper("127.0.0.1:7701")
        #expect(throws: Fault.self) { try keeper.checkHost(request(("Host", host))) }
    }

    @Test func `bound to all addresses, any address may be named but no DNS name`() throws {
        let keeper = try keeper("0.0.0.0:7701")
        try keeper.checkHost(request(("Host", "10.0.0.5:7701")))
        try keeper.checkHost(request(("Host", "[fe80::1]:7701")))
        #expect(throws: Fault.self) { try keeper.checkHost(request(("Host", "evil.example:7701"))) }
    }

    @Test func `a page of another origin is refused, a page of this one is not`() throws {
        let keeper = try keeper("127.0.0.1:7701")
        try keeper.checkOrigin(request(("Host", "127.0.0.1:7701")))
        try keeper.checkOrigin(request(("Host", "127.0.0.1:7701"), ("Origin", "http://127.0.0.1:7701")))
        for origin in ["http://evil.example", "null", "http://127.0.0.1:8000", "http://localhost:7701"] {
            #expect(throws: Fault.self) { try keeper.checkOrigin(request(("Host", "127.0.0.1:7701"), ("Origin", origin))) }
        }
    }

    @Test func `a token is read from the Authorization header and from nowhere else`() throws {
        let keeper = try keeper("127.0.0.1:7701")
        #expect(try keeper.bearer(request(("Authorization", "bearer  oc_1"))) == "oc_1")
        for header in ["Basic eDp5", "Bearer", "Bearer a b", "oc_1"] {
            #expect(throws: Fault.self) { try keeper.bearer(request(("Authorization", header))) }
        }
        #expect(throws: Fault.self) { try keeper.bearer(request()) }
    }

    @Test func `admin may everything, operate may read, and feedback only feeds`() {
        let may = { (has: TokenScope) in TokenScope.allCases.filter { has.includes($0) } }
        #expect(may(.admin) == TokenScope.allCases)
        #expect(may(.operate) == [.read, .operate])
        #expect(may(.read) == [.read])
        #expect(may(.feedback) == [.feedback])
        #expect(may(.worker) == [.worker])
    }
}
