import Gateway
import HTTP
import JSON
import Outcomes
import Routing
import TestSockets
import Testing

@Suite struct RefusalTests {
    @Test(arguments: HostileRequests.all)
    func `a hostile request is answered readably and no upstream hears of it`(hostile: HostileRequests.Case) async throws {
        let upstream = try TestUpstream.answering { _, _ in "served" }
        let house = try GatewayHouse(to: upstream)
        // What follows a refusal is not served either: it may be the smuggled request.
        let answer = try await house.exchange(hostile.bytes + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(answer?.hasPrefix("HTTP/1.1 \(hostile.status) ") == true, "\(answer ?? "reset")")
        #expect(answer?.components(of: "Content-Length: ") == 1)
        #expect(answer?.contains("Connection: close\r\n") == true)
        let body = answer?.split(separator: "\r\n\r\n").last.map(String.init) ?? ""
        #expect(try JSONValue(parsing: body)["error"]?["fix"]?.stringValue?.isEmpty == false)
        #expect(upstream.connections == 0)
        #expect(await house.drain() == [])
    }

    @Test func `a half-read request reaches no upstream`() async throws {
        let upstream = try TestUpstream.answering { _, _ in "served" }
        let house = try GatewayHouse(to: upstream)
        let whole = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcd".utf8)
        try await onThread { [port = house.port] in
            for end in 1...whole.count {
                let client = RawClient(port: port)
                client.write(Array(whole[..<end]))
                client.endOutput()
                #expect(client.readToEnd() == "")
            }
        }
        #expect(upstream.connections == 0)
        _ = await house.drain()
    }

    @Test func `a body beyond every limit is a 413, and one up to 1 MiB is whole before an upstream hears of it`() async throws {
        let upstream = try TestUpstream(records: false) { connection in _ = connection.readToEnd() }
        let house = try GatewayHouse([.test("r", path: "/", variants: [("a", upstream, 10_000)])]) {
            $0.bodyBytesStreamedMax = 3 << 20
        }
        let tooLong = try await house.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
        #expect(tooLong?.hasPrefix("HTTP/1.1 413 ") == true)
        for head in ["Content-Length: 1048576\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nF0000\r\n"] {
            try await onThread { [port = house.port] in
                let client = RawClient(port: port)
                client.write("POST / HTTP/1.1\r\nHost: a\r\n\(head)")
                client.write([UInt8](repeating: 0x61, count: 900_000))
                client.endOutput()
                #expect(client.readToEnd() == "")
            }
        }
        #expect(upstream.connections == 0)
        let growing = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = Array("100000\r\n".utf8) + [UInt8](repeating: 0x61, count: 1 << 20) + [0x0D, 0x0A]
            for _ in 0..<4 { client.write(chunk) }
            return client.read(until: "\r\n")
        }
        #expect(growing.hasPrefix("HTTP/1.1 413 "))
        #expect(await house.drain().map(\.status) == [413])
    }

    @Test func `limits are answered with their status`() async throws {
        let upstream = try TestUpstream.answering { _, _ in "served" }
        var route = Route.test("r", path: "/", variants: [("a", upstream, 10_000)])
        route.variants[0].rewrite = Rewrite(json: ["/model": "m"])
        let house = try GatewayHouse([route]) { ($0.headerBytesMax, $0.bodyBytesMax, $0.connectionsMax) = (1_000, 2_000, 2) }
        func status(_ request: String) async throws -> String { String((try await house.exchange(request) ?? "reset").prefix(12)) }
        #expect(
            try await status("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 2_000))\r\n\r\n") == "HTTP/1.1 431")
        let body = String(repeating: "x", count: 3_000)
        #expect(try await status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n\(body)") == "HTTP/1.1 413")
        #expect(
            try await status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nBB8\r\n\(body)") == "HTTP/1.1 413")
        try await onThread { [port = house.port] in
            let others = (0..<2).map { _ in RawClient(port: port) }
            for client in others {
                client.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = client.readMessage()
            }
            #expect(RawClient(port: port).readToEnd()?.hasPrefix("HTTP/1.1 503") == true)
        }
        #expect(upstream.connections == 0)
        _ = await house.drain()
    }
}

extension String {
    /// How often a text stands in this one.
    func components(of text: String) -> Int { split(separator: text, omittingEmptySubsequences: false).count - 1 }
}
