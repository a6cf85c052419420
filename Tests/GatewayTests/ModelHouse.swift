import Gateway
import HTTP
import JSON
import Outcomes
import Registry
import Routing
import Sockets
import Synchronization
import TestSockets

/// A gateway with one route of OpenAI's API, and what it recorded.
final class ModelHouse: Sendable {
    let gateway: GatewayServer
    let port: Int
    private let recorded = Recorded()

    final class Recorded: Sendable {
        let exposures = Mutex<[Exposure]>([])
        let usages = Mutex<[Usage]>([])
    }

    init(
        _ variant: (inout Variant) -> Void, path: String = "/v1", budgets: [Budget]? = nil, adjust: (inout Route) -> Void = { _ in }
    ) throws {
        var made = Variant(id: VariantID(0), name: "control", url: "")
        variant(&made)
        var route = Route(
            id: RouteID(1), name: "support", match: RouteMatch(path: path), unit: .header("X-User-Id"), variants: [made],
            timeouts: RouteTimeouts(), split: TrafficSplit(route: "support", shares: [made.id: 10_000]))
        (route.api, route.budgets) = (.openai, budgets)
        adjust(&route)
        gateway = GatewayServer(
            settings: .init(address: try SocketAddress(parsing: "127.0.0.1:0"), loops: 1),
            table: RoutingTable(position: 1, routes: [route]),
            exposures: { [recorded] batch in recorded.exposures.withLock { $0 += batch } },
            usages: { [recorded] batch in recorded.usages.withLock { $0 += batch } },
            feedback: { _ in HTTPResponse(status: 202, body: .bytes(Array("fed".utf8))) })
        port = try gateway.start().port
    }

    static func provider(_ name: String, _ upstream: TestUpstream, _ change: (inout ProviderBinding) -> Void = { _ in })
        -> ProviderBinding
    {
        var provider = ProviderBinding(
            name: name, url: "http://127.0.0.1:\(upstream.port)/v1",
            prices: ["m": ModelPrice(input: 1_000_000_000, output: 2_000_000_000, cached: 500_000_000)])
        change(&provider)
        return provider
    }

    func drain() async -> (exposures: [Exposure], usages: [Usage]) {
        await gateway.drain(limit: .seconds(5))
        return (recorded.exposures.withLock(\.self), recorded.usages.withLock(\.self))
    }

    /// Posts a body and reads everything until the gateway closes.
    func post(_ body: String, to path: String = "/v1/chat/completions", _ fields: String = "") async throws -> String {
        try await onThread { [port] in
            let client = RawClient(port: port)
            client.write(
                "POST \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            return client.readToEnd() ?? "reset"
        }
    }
}

/// A provider for tests: answers each request with the next of these texts, the last one again and again.
func scripted(_ answers: [String]) throws -> TestUpstream {
    let asked = Mutex(0)
    return try TestUpstream { connection in
        while connection.readMessage() != nil {
            let index = asked.withLock { count in
                defer { count += 1 }
                return min(count, answers.count - 1)
            }
            if answers[index].isEmpty { return }
            guard connection.write(answers[index]) else { return }
        }
    }
}

func answer(_ status: String, _ body: String) -> String {
    "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

func chunked(_ pieces: [String]) -> String {
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        + pieces.map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }.joined() + "0\r\n\r\n"
}

/// The body of an answer, out of its chunks.
func unchunked(_ answer: String) -> String {
    guard let end = answer.firstRange(of: "\r\n\r\n") else { return "" }
    var rest = answer[end.upperBound...]
    guard answer.contains("Transfer-Encoding: chunked") else { return String(rest) }
    var body = ""
    while let line = rest.firstRange(of: "\r\n"), let size = Int(rest[..<line.lowerBound], radix: 16), size > 0 {
        let bytes = rest[line.upperBound...].utf8
        body += String(decoding: bytes.prefix(size), as: UTF8.self)
        rest = Substring(bytes.dropFirst(size + 2))
    }
    return body
}
