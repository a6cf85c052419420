import Gateway
import HTTP
import JSON
import Outcomes
import Routing
import Sockets
import Synchronization
import TestSockets

/// A gateway in front of test upstreams, and what it recorded.
final class GatewayHouse: Sendable {
    let gateway: GatewayServer
    let port: Int
    private let recorded = Exposures()

    final class Exposures: Sendable {
        let all = Mutex<[Exposure]>([])
    }

    init(_ routes: [Route], loops: Int = 1, _ adjust: (inout GatewayServer.Settings) -> Void = { _ in }) throws {
        var settings = GatewayServer.Settings(address: try SocketAddress(parsing: "127.0.0.1:0"), loops: loops)
        adjust(&settings)
        gateway = GatewayServer(
            settings: settings, table: RoutingTable(position: 1, routes: routes),
            exposures: { [recorded] batch in recorded.all.withLock { $0 += batch } },
            feedback: { request in HTTPResponse(status: 202, body: .bytes(request.body)) })
        port = try gateway.start().port
    }

    /// A route for every path to one variant, `a`.
    convenience init(to upstream: TestUpstream, _ adjust: (inout Route) -> Void = { _ in }) throws {
        var route = Route.test("all", path: "/", variants: [("a", upstream, 10_000)])
        adjust(&route)
        try self.init([route])
    }

    /// Ends the gateway and says what it recorded.
    func drain() async -> [Exposure] {
        await gateway.drain(limit: .seconds(60))
        return recorded.all.withLock(\.self)
    }

    /// Sends bytes, and reads until the gateway closes.
    func exchange(_ request: String) async throws -> String? {
        try await onThread { [port] in
            let client = RawClient(port: port)
            client.write(request)
            return client.readToEnd()
        }
    }

    /// Sends one request and reads one answer with a Content-Length.
    func answer(_ request: String) async throws -> (head: String, body: [UInt8])? {
        try await onThread { [port] in
            let client = RawClient(port: port)
            client.write(request)
            return client.readMessage()
        }
    }
}

extension Route {
    static func test(
        _ name: String, id: UInt16 = 1, host: String? = nil, path: String, unit: UnitSource = .header("X-User-Id"),
        variants: [(name: String, upstream: TestUpstream, share: Int)]
    ) -> Route {
        var shares: [VariantID: Int] = [:]
        var list: [Variant] = []
        for (number, variant) in variants.enumerated() {
            let id = VariantID(UInt8(number))
            shares[id] = variant.share
            list.append(Variant(id: id, name: variant.name, url: "http://127.0.0.1:\(variant.upstream.port)/base"))
        }
        return Route(
            id: RouteID(id), name: name, match: RouteMatch(host: host, path: path), unit: unit, variants: list,
            timeouts: RouteTimeouts(), split: TrafficSplit(route: name, shares: shares))
    }
}

/// A field of a head, its name in any case.
func field(_ name: String, _ head: String) -> String? {
    head.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
        .map { String($0.dropFirst(name.count + 1).drop { $0 == " " }) }
}
