import Faults
import Gateway
import Glibc
import HTTP
import JSON
import Outcomes
import Routing
import Sockets
import Synchronization
import Telemetry
import TestSockets
import Testing

@Suite struct PublishTests {
    private func table(_ position: Int64, _ upstreams: [TestUpstream], _ share: Int) -> RoutingTable {
        RoutingTable(
            position: position,
            routes: [.test("r", path: "/", variants: [("a", upstreams[0], 10_000 - share), ("b", upstreams[1], share)])])
    }

    @Test func `a split moves under load without a failed request, and requests after publish see it`() async throws {
        let upstreams = try ["a", "b"].map { name in try TestUpstream.answering { _, _ in name } }
        let house = try GatewayHouse(table(1, upstreams, 0).routes, loops: 2)
        let isOver = Atomic<Bool>(false)
        async let failures = onThread { [port = house.port] in
            var failures = 0
            var client = RawClient(port: port)
            var count = 0
            while !isOver.load(ordering: .acquiring) {
                count += 1
                if count % 50 == 0 { client = RawClient(port: port) }
                client.write("GET / HTTP/1.1\r\nHost: a\r\nX-User-Id: \(count)\r\n\r\n")
                if client.readMessage()?.head.hasPrefix("HTTP/1.1 200") != true { failures += 1 }
            }
            return failures
        }
        for position in 2..<60 as Range<Int64> {
            let share = position % 2 == 0 ? 10_000 : 0
            try await house.gateway.publish(table(position, upstreams, share))
            let variants = try await onThread { [port = house.port] in
                (0..<4).map { _ in
                    let client = RawClient(port: port)
                    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    return field("X-OpenClaw-Variant", client.readMessage()?.head ?? "")
                }
            }
            #expect(variants.allSatisfy { $0 == (share == 0 ? "a" : "b") })
        }
        isOver.store(true, ordering: .releasing)
        #expect(try await failures == 0)
        #expect(await house.gateway.servedPosition() == 59)
        #expect(await house.drain().allSatisfy { $0.kind == .success })
    }

    @Test func `a table that cannot be taken over is not served, and whoever published it is told`() async throws {
        let upstreams = try ["a", "b"].map { name in try TestUpstream.answering { _, _ in name } }
        let fails = Atomic<Bool>(true)
        let gateway = GatewayServer(
            settings: .init(address: try SocketAddress(parsing: "127.0.0.1:0"), loops: 2), table: table(1, upstreams, 0),
            exposures: { _ in }, usages: { _ in }, contexts: { _ in }, feedback: { _ in HTTPResponse(status: 202) },
            runs: { (name, call) async throws(Fault) in
                if fails.load(ordering: .acquiring) {
                    throw Fault(.unavailable, what: "The thread '\(name)' cannot be started.", why: "No memory.", fix: "Wait.")
                }
                try await Threads.run(name, call)
            })
        let port = try gateway.start().port
        let next = table(2, upstreams, 10_000)
        let fault = await #expect(throws: Fault.self) { try await gateway.publish(next) }
        #expect(fault?.kind == .unavailable && fault?.why.contains("No memory") == true)
        func answered() async throws -> String? {
            try await onThread {
                let client = RawClient(port: port)
                client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                return client.readMessage().map { String(decoding: $0.body, as: UTF8.self) }
            }
        }
        #expect(try await answered() == "a")
        #expect(await gateway.servedPosition() == 1)
        fails.store(false, ordering: .releasing)
        try await gateway.publish(next)
        #expect(try await answered() == "b")
        #expect(await gateway.servedPosition() == 2)
        await gateway.drain(limit: .seconds(60))
    }

    @Test func `an older table is ignored`() async throws {
        let upstreams = try ["a", "b"].map { name in try TestUpstream.answering { _, _ in name } }
        let house = try GatewayHouse(table(1, upstreams, 0).routes)
        try await house.gateway.publish(table(5, upstreams, 10_000))
        try await house.gateway.publish(table(4, upstreams, 0))
        #expect(await house.gateway.servedPosition() == 5)
        #expect(try await house.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n")?.body == Array("b".utf8))
        _ = await house.drain()
    }

    @Test func `an upstream that leaves the table loses its idle connections`() async throws {
        let (ended, source) = AsyncStream<Void>.makeStream()
        let first = try TestUpstream { connection in
            while connection.readMessage() != nil { connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
            source.yield()
        }
        let second = try TestUpstream.answering { _, _ in "" }
        let house = try GatewayHouse(to: first)
        _ = try await house.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try await house.gateway.publish(
            RoutingTable(position: 2, routes: [.test("r", path: "/", variants: [("b", second, 10_000)])]))
        for await _ in ended { break }
        _ = await house.drain()
    }

    @Test func `a drain answers what is in flight, refuses nobody half-way and records it`() async throws {
        let gate = Atomic<Bool>(false)
        let (entered, source) = AsyncStream<Void>.makeStream()
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            source.yield()
            while !gate.load(ordering: .acquiring) { usleep(1_000) }
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        }
        let house = try GatewayHouse(to: upstream)
        async let answer = house.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async let idle = onThread { [port = house.port] in RawClient(port: port).readToEnd() }
        for await _ in entered { break }
        async let exposures = house.drain()
        #expect(try await idle == "")
        gate.store(true, ordering: .releasing)
        #expect(try await answer?.hasSuffix("late") == true)
        #expect(await exposures.map(\.kind) == [.success])
    }

    @Test func `metrics count requests, errors, bytes and latencies per variant`() async throws {
        let upstream = try TestUpstream { connection in
            while let head = connection.readMessage()?.head {
                connection.write("HTTP/1.1 \(head.contains("/bad") ? 500 : 200) X\r\nContent-Length: 3\r\n\r\nabc")
            }
        }
        let house = try GatewayHouse([.test("r", path: "/", variants: [("a", upstream, 10_000)])], loops: 2)
        for path in ["/", "/", "/bad"] { _ = try await house.answer("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n") }
        let counts = await house.gateway.metrics()["routes"]?["r"]?["a"]
        #expect(counts?["requests"]?.integerValue == 3)
        #expect(counts?["errors"]?.integerValue == 1)
        #expect(counts?["in_flight"]?.integerValue == 0)
        #expect(counts?["latency_ms"]?["p50"]?.numberValue ?? 0 > 0)
        var page = PrometheusText()
        await house.gateway.writeMetrics(to: &page)
        #expect(page.text.contains(#"openclaw_requests_total{route="r",variant="a",outcome="upstream_error"} 1"#))
        #expect(page.text.contains(#"openclaw_request_duration_seconds_count{route="r",variant="a"} 3"#))
        _ = await house.drain()
    }
}
