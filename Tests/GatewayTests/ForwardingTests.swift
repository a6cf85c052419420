import HTTP
import JSON
import Outcomes
import Routing
import Statistics
import TestSockets
import Testing

@Suite struct ForwardingTests {
    @Test func `a request reaches its variant and the answer names request, route and variant`() async throws {
        let upstream = try TestUpstream.answering { _, body in "got " + String(decoding: body, as: UTF8.self) }
        let house = try GatewayHouse([.test("fraud", path: "/fraud", variants: [("v1", upstream, 10_000)])])
        let answer = try #require(
            try await house.answer("POST /fraud/x?y=1 HTTP/1.1\r\nHost: a\r\nX-User-Id: u1\r\nContent-Length: 2\r\n\r\nhi"))
        #expect(answer.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(String(decoding: answer.body, as: UTF8.self) == "got hi")
        #expect(field("X-OpenClaw-Route", answer.head) == "fraud")
        #expect(field("X-OpenClaw-Variant", answer.head) == "v1")
        let id = try #require(RequestID(field("X-OpenClaw-Request-Id", answer.head) ?? ""))
        #expect(upstream.seen.hasPrefix("POST /base/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:\(upstream.port)\r\nX-User-Id: u1\r\n"))
        #expect(field("X-OpenClaw-Request-Id", upstream.seen) == id.description)
        #expect(field("traceparent", upstream.seen)?.hasPrefix("00-\(id)-") == true)
        let exposures = await house.drain()
        #expect(exposures.map(\.request) == [id])
        #expect(exposures.first?.kind == .success)
        #expect(exposures.first?.unit == UnitID("u1").hash)
        #expect(exposures.first?.propensity == 10_000)
        #expect(exposures.first?.status == 200)
    }

    @Test func `the longest path prefix at a boundary wins, and this host before any`() async throws {
        let upstreams = try ["short", "long", "host", "any"].map { name in try TestUpstream.answering { _, _ in name } }
        let house = try GatewayHouse([
            .test("short", id: 1, path: "/a", variants: [("v", upstreams[0], 10_000)]),
            .test("long", id: 2, path: "/a/b", variants: [("v", upstreams[1], 10_000)]),
            .test("host", id: 3, host: "Example.com", path: "/a", variants: [("v", upstreams[2], 10_000)]),
        ])
        func routed(_ path: String, host: String = "x") async throws -> String? {
            field("X-OpenClaw-Route", try await house.answer("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n")?.head ?? "")
        }
        #expect(try await routed("/a") == "short")
        #expect(try await routed("/a/bc") == "short")
        #expect(try await routed("/a/b") == "long")
        #expect(try await routed("/a/b?q") == "long")
        #expect(try await routed("/a/b/c") == "long")
        #expect(try await routed("/a/b", host: "EXAMPLE.com:80") == "host")
        #expect(try await routed("/ab") == nil)
        #expect(try await house.answer("GET /ab HTTP/1.1\r\nHost: x\r\n\r\n")?.head.hasPrefix("HTTP/1.1 404") == true)
        _ = await house.drain()
    }

    @Test func `hop-by-hop fields, and those that Connection names, stay on their side`() async throws {
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            connection.write(
                "HTTP/1.1 200 OK\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nX-Public: 2\r\n"
                    + "X-OpenClaw-Variant: liar\r\nContent-Length: 0\r\n\r\n")
        }
        let house = try GatewayHouse(to: upstream)
        let answer = try #require(
            try await house.answer(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nProxy-Connection: x\r\n"
                    + "Upgrade: h2c\r\nX-Kept: 1\r\nX-OpenClaw-Request-Id: forged\r\n\r\n"))
        for gone in ["X-Hop", "TE", "Proxy-Connection", "Connection", "Upgrade"] { #expect(field(gone, upstream.seen) == nil) }
        #expect(field("X-Kept", upstream.seen) == "1")
        #expect(!upstream.seen.contains("forged"))
        for gone in ["X-Private", "Keep-Alive", "Connection"] { #expect(field(gone, answer.head) == nil) }
        #expect(field("X-Public", answer.head) == "2")
        #expect(field("X-OpenClaw-Variant", answer.head) == "a")
        _ = await house.drain()
    }

    @Test func `a rewrite sets JSON fields and headers, and the length is true again`() async throws {
        let upstream = try TestUpstream.answering { _, body in String(decoding: body, as: UTF8.self) }
        let house = try GatewayHouse(to: upstream) {
            $0.variants[0].rewrite = Rewrite(json: ["/model": "big", "/temperature": 0.5], headers: ["Authorization": "Bearer k"])
        }
        let body = #"{"mod\u0065l":"small", "x":1}"#
        let answer = try await house.answer(
            "POST / HTTP/1.1\r\nHost: a\r\nauthorization: mine\r\nContent-Length: \(body.utf8.count)\r\nX-Z: 1\r\n\r\n\(body)")
        #expect(answer.map { String(decoding: $0.body, as: UTF8.self) } == #"{"mod\u0065l":"big", "x":1,"temperature":0.5}"#)
        #expect(field("Authorization", upstream.seen) == "Bearer k")
        #expect(!upstream.seen.contains("mine"))
        #expect(field("X-Z", upstream.seen) == "1")
        _ = await house.drain()
    }

    @Test(arguments: [#"{"model":"a","model":"b"}"#, #"{"model":"#, "", "[1]"])
    func `a body that cannot be rewritten is answered 400 and reaches no upstream`(body: String) async throws {
        let upstream = try TestUpstream.answering { _, _ in "" }
        let house = try GatewayHouse(to: upstream) { $0.variants[0].rewrite = Rewrite(json: ["/model": "big"]) }
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let chunk = body.isEmpty ? "" : "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n"
        let answer = try await house.answer(head + chunk + "0\r\n\r\n")
        #expect(answer?.head.hasPrefix("HTTP/1.1 400") == true)
        #expect(upstream.seen == "")
        #expect(await house.drain() == [])
    }

    @Test func `the unit comes from header, cookie, JSON or client, and else from the request's own id`() async throws {
        let upstream = try TestUpstream.answering { _, _ in "" }
        func unit(_ source: UnitSource, _ fields: String, _ body: String = "") async throws -> (unit: UInt64?, request: String) {
            let house = try GatewayHouse(to: upstream) { $0.unit = source }
            let answer = try await house.answer(
                "POST / HTTP/1.1\r\nHost: a\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            return (await house.drain().first?.unit, field("X-OpenClaw-Request-Id", answer?.head ?? "") ?? "")
        }
        #expect(try await unit(.header("X-User"), "x-user:  bob \r\n").unit == UnitID("bob").hash)
        #expect(try await unit(.cookie("sid"), "Cookie: a=1; sid=xyz; b=2\r\n").unit == UnitID("xyz").hash)
        #expect(try await unit(.cookie("sid"), "Cookie: asid=1\r\nCookie: sid=q\r\n").unit == UnitID("q").hash)
        #expect(try await unit(.json(pointer: "/user/id"), "", #"{"user":{"id":"b\u006fb"}}"#).unit == UnitID("bob").hash)
        #expect(try await unit(.json(pointer: "/user/id"), "", #"{"user":{"id":42}}"#).unit == UnitID("42").hash)
        #expect(try await unit(.clientAddress, "").unit == UnitID("127.0.0.1").hash)
        for (source, body) in [(UnitSource.header("X-User"), ""), (.json(pointer: "/a"), "no JSON"), (.json(pointer: "/a"), "{}")] {
            let (own, request) = try await unit(source, "", body)
            #expect(own == UnitID(request).hash)
        }
    }

    @Test func `a unit stays with its variant, and each variant has its share`() async throws {
        let upstreams = try (0..<2).map { _ in try TestUpstream.answering { _, _ in "" } }
        let route = Route.test("r", path: "/", variants: [("a", upstreams[0], 7_000), ("b", upstreams[1], 3_000)])
        let house = try GatewayHouse([route], loops: 2)
        try await onThread { [port = house.port] in
            let clients = (0..<4).map { _ in RawClient(port: port) }
            for index in 0..<600 {
                let client = clients[index % 4]
                client.write("GET / HTTP/1.1\r\nHost: a\r\nX-User-Id: u\(index % 200)\r\n\r\n")
                let variant = field("X-OpenClaw-Variant", client.readMessage()?.head ?? "")
                #expect(variant == route.variant(route.split.variant(for: UnitID("u\(index % 200)")))?.name)
            }
        }
        let exposures = await house.drain()
        #expect(exposures.count == 600)
        #expect(exposures.allSatisfy { $0.propensity == ($0.variant.number == 0 ? 7_000 : 3_000) })
    }

    @Test func `bodies without length, chunked bodies and HEAD end where they should`() async throws {
        let upstream = try TestUpstream { connection in
            while let (head, _) = connection.readMessage() {
                if head.hasPrefix("HEAD") {
                    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
                } else if head.contains("/204 ") {
                    connection.write("HTTP/1.1 204 No Content\r\n\r\n")
                } else if head.contains("/chunked ") {
                    connection.write(
                        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
                } else {
                    connection.write("HTTP/1.1 200 OK\r\n\r\nuntil the end")
                    return
                }
            }
        }
        let house = try GatewayHouse(to: upstream)
        let all = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            for request in ["HEAD /h", "GET /204", "GET /chunked", "GET /close"] {
                client.write("\(request) HTTP/1.1\r\nHost: a\r\n\r\n")
            }
            client.write("GET /chunked HTTP/1.0\r\n\r\n")
            return client.readToEnd() ?? "reset"
        }
        #expect(all.contains("Content-Length: 99\r\n"))
        #expect(all.contains("HTTP/1.1 204 No Content"))
        #expect(all.contains("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
        #expect(all.contains("d\r\nuntil the end\r\n0\r\n\r\n"))
        #expect(all.hasSuffix("\r\n\r\nabc"))
        _ = await house.drain()
    }

    @Test func `feedback and health are answered on the gateway's address`() async throws {
        let house = try GatewayHouse([])
        let feedback = try await house.answer(
            "POST /v1/feedback HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        #expect(feedback?.head.hasPrefix("HTTP/1.1 202") == true)
        #expect(feedback?.body == Array("{}".utf8))
        #expect(try await house.answer("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")?.head.hasPrefix("HTTP/1.1 200") == true)
        let large = try await house.exchange("POST /v1/feedback HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n")
        #expect(large?.hasPrefix("HTTP/1.1 413") == true)
        _ = await house.drain()
    }
}
