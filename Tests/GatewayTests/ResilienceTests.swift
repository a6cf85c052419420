import Gateway
import Glibc
import HTTP
import JSON
import Outcomes
import Routing
import Synchronization
import TestSockets
import Testing

@Suite struct ResilienceTests {
    private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @Test func `an upstream that is not there is answered 502 with a fault and the variant's name`() async throws {
        let upstream = try TestUpstream { _ in }
        upstream.stop()
        let house = try GatewayHouse(to: upstream)
        let answer = try #require(try await house.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        #expect(answer.head.hasPrefix("HTTP/1.1 502 "))
        #expect(field("X-OpenClaw-Variant", answer.head) == "a")
        #expect(try JSONValue(parsing: answer.body)["error"]?["why"]?.stringValue?.contains("refused") == true)
        #expect(await house.drain().map(\.kind) == [.unreachable])
    }

    @Test func `a variant whose url cannot be served is answered 502`() async throws {
        let upstream = try TestUpstream { _ in }
        let house = try GatewayHouse(to: upstream) { $0.variants[0].url = "ftp://127.0.0.1/" }
        #expect(try await house.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n")?.head.hasPrefix("HTTP/1.1 502 ") == true)
        _ = await house.drain()
    }

    @Test func `an answer that is broken off ends the client's connection without its end`() async throws {
        let upstream = try TestUpstream { connection in
            let head = connection.readMessage()?.head ?? ""
            if head.contains("/length") { connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }
            if head.contains("/chunked") { connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc") }
        }
        let house = try GatewayHouse(to: upstream)
        for path in ["/length", "/chunked"] {
            let text = try await house.exchange("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(text == nil || text?.hasSuffix("abc") == true)
        }
        #expect(try await house.answer("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")?.head.hasPrefix("HTTP/1.1 502 ") == true)
        #expect(await house.drain().map(\.kind) == [.brokenAnswer, .brokenAnswer, .brokenAnswer])
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\nX: y\r\n\r\n", "nonsense that is long enough", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    ])
    func `a malformed answer is a 502`(text: String) async throws {
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            connection.write(text)
            _ = connection.read()
        }
        let house = try GatewayHouse(to: upstream)
        #expect(try await house.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n")?.head.hasPrefix("HTTP/1.1 502 ") == true)
        #expect(await house.drain().map(\.kind) == [.brokenAnswer])
    }

    @Test func `an upstream that does not answer in time is a 504, one that stalls is broken off`() async throws {
        let upstream = try TestUpstream { connection in
            while let head = connection.readMessage()?.head {
                if head.contains("/stall") { connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }
            }
        }
        let house = try GatewayHouse(to: upstream) { ($0.timeouts.firstByte, $0.timeouts.idle) = (200, 200) }
        #expect(try await house.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n")?.head.hasPrefix("HTTP/1.1 504 ") == true)
        _ = try await house.exchange("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await house.drain().map(\.kind) == [.timedOut, .timedOut])
    }

    @Test func `a stale pooled connection costs no request that may be repeated`() async throws {
        let upstream = try TestUpstream { [ok] connection in
            // Each connection answers once and closes, a moment after its answer: as servers do whose keep-alive ran out.
            if connection.readMessage() != nil { connection.write(ok) }
            usleep(2_000)
        }
        let house = try GatewayHouse(to: upstream)
        try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            for index in 0..<200 {
                client.write("\(index % 2 == 0 ? "PUT" : "GET") / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
                #expect(client.readMessage()?.head.hasPrefix("HTTP/1.1 200") == true, "request \(index)")
                usleep(UInt32(index % 5) * 1_000)
            }
        }
        #expect(await house.drain().allSatisfy { $0.kind == .success })
    }

    @Test func `a request that was accepted and not answered is repeated only where that is safe`() async throws {
        let upstream = try TestUpstream { [ok] connection in
            // Answers the first, takes the second and closes without a word.
            if connection.readMessage() != nil { connection.write(ok) }
            _ = connection.readMessage()
        }
        let house = try GatewayHouse(to: upstream)
        func second(_ method: String) async throws -> String? {
            try await onThread { [port = house.port] in
                let client = RawClient(port: port)
                client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = client.readMessage()
                client.write("\(method) /second HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
                return client.readMessage().map { String($0.head.prefix(12)) }
            }
        }
        #expect(try await second("POST") == "HTTP/1.1 502")
        #expect(upstream.seen.components(of: "POST /base/second") == 1)
        #expect(try await second("PUT") == "HTTP/1.1 200")
        #expect(upstream.seen.components(of: "PUT /base/second") == 2)
        _ = await house.drain()
    }

    @Test func `a client that goes away takes its upstream request with it`() async throws {
        let (ended, source) = AsyncStream<Bool>.makeStream()
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            source.yield(connection.read()?.isEmpty != false)
        }
        let house = try GatewayHouse(to: upstream)
        try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while upstream.seenCount == 0 { usleep(1_000) }
            client.reset()
        }
        for await isEnd in ended {
            #expect(isEnd)
            break
        }
        let exposures = await house.drain()
        #expect(exposures.map(\.kind) == [.clientFault])
        #expect(exposures.map(\.status) == [499])
    }

    @Test func `a client that half-closes after its request gets its answer, however long the route lets it take`() async throws {
        let upstream = try TestUpstream { [ok] connection in
            _ = connection.readMessage()
            usleep(2_500_000)
            connection.write(ok)
        }
        let house = try GatewayHouse(to: upstream)
        let text = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.endOutput()
            return client.readToEnd()
        }
        #expect(text?.hasPrefix("HTTP/1.1 200 ") == true)
        #expect(await house.drain().map(\.kind) == [.success])
    }

    @Test func `bodies are held up to a limit of the loop, and beyond it a client is told to come again`() async throws {
        let gate = Atomic<Bool>(false)
        let upstream = try TestUpstream(records: false) { [ok] connection in
            while connection.readMessage() != nil {
                while !gate.load(ordering: .acquiring) { usleep(1_000) }
                connection.write(ok)
            }
        }
        let house = try GatewayHouse([.test("all", path: "/", variants: [("a", upstream, 10_000)])]) { $0.heldBytesMax = 400_000 }
        let body = String(repeating: "x", count: 300_000)
        let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        async let first = house.exchange(request)
        let clock = ContinuousClock()
        let end = clock.now + .seconds(60)
        while clock.now < end, await house.gateway.metrics()["held_bytes"]?.integerValue ?? 0 < 300_000 {
            try await Task.sleep(for: .milliseconds(5))
        }
        let refused = try #require(try await house.exchange(request))
        #expect(refused.hasPrefix("HTTP/1.1 503 ") && field("Retry-After", refused) == "1")
        #expect(refused.contains("as many bytes of other requests as it may"))
        let small = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            gate.store(true, ordering: .releasing)
            return client.readToEnd()
        }
        #expect(small?.hasPrefix("HTTP/1.1 200 ") == true, "what holds nothing is served")
        #expect(try await first?.hasPrefix("HTTP/1.1 200 ") == true)
        #expect(try await house.exchange(request)?.hasPrefix("HTTP/1.1 200 ") == true)
        let counts = await house.gateway.metrics()
        #expect(counts["held_bytes"] == 0 && counts["bodies_refused"] == 1)
        _ = await house.drain()
    }

    @Test func `a client that half-closes after its request still reads a quick answer`() async throws {
        let upstream = try TestUpstream.answering { _, _ in "quick" }
        let house = try GatewayHouse(to: upstream)
        let text = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.endOutput()
            return client.readToEnd()
        }
        #expect(text?.components(of: "quick") == 2)
        _ = await house.drain()
    }

    @Test func `an answer before the end of a long body reaches the client`() async throws {
        let upstream = try TestUpstream(records: false) { connection in
            _ = connection.read(until: "\r\n\r\n")
            connection.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
            usleep(100_000)
        }
        let house = try GatewayHouse(to: upstream)
        let text = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
            client.write([UInt8](repeating: 0x61, count: 1 << 20))
            return client.read(until: "large")
        }
        #expect(text.hasPrefix("HTTP/1.1 413 "))
        #expect(text.contains("Connection: close\r\n"))
        #expect(await house.drain().map(\.kind) == [.clientFault])
    }

    @Test func `a malformed chunk in the middle of a long body never ends the upstream's request`() async throws {
        let whole = Mutex<Bool?>(nil)
        let upstream = try TestUpstream(records: false) { connection in
            _ = connection.read(until: "\r\n\r\n")
            let body = connection.readToEnd() ?? ""
            whole.withLock { $0 = body.hasSuffix("0\r\n\r\n") }
        }
        let house = try GatewayHouse(to: upstream)
        let text = try await house.exchange(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n\(String(repeating: "a", count: 0x200000))\r\nzz\r\n"
        )
        #expect(text?.hasPrefix("HTTP/1.1 400 ") == true)
        #expect(await house.drain().map(\.kind) == [.clientFault])
        #expect(whole.withLock(\.self) != true)
    }
}
