import Gateway
import JSON
import Outcomes
import Processes
import Routing
import TestSockets
import Testing

/// Upstreams behind TLS: real servers, real certificates.
@Suite(.serialized, .enabled("openssl and python3 are there") { await TLSHouse.toolsAreThere() })
struct TLSTests {
    private func get(_ path: String, _ fields: String = "") -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n" }

    private func told(_ house: GatewayHouse, _ path: String = "/whole") async throws -> JSONValue {
        let answer = try #require(try await house.answer(get(path)))
        #expect(answer.head.hasPrefix("HTTP/1.1 200 "), "\(answer.head)\(String(decoding: answer.body, as: UTF8.self))")
        return try JSONValue(parsing: answer.body)
    }

    @Test func `a server that proves who it is is spoken to, by name and by address`() async throws {
        let tls = try await TLSHouse()
        let (server, port) = try await tls.serve(.good)
        for (host, name) in [("localhost", JSONValue.string("localhost")), ("127.0.0.1", .null)] {
            let house = try tls.gateway("https://\(host):\(port)/", trusting: tls.authority)
            let facts = try await told(house)
            #expect(facts["name"] == name, "an address is no name to ask for")
            #expect(facts["alpn"] == "http/1.1" && facts["version"] == "TLSv1.3")
            #expect(await house.drain().map(\.kind) == [.success])
        }
        await server.stop()
    }

    @Test(arguments: [
        (TLSHouse.Certificate.wrongHost, true, "mismatch"), (.expired, true, "expired"), (.selfSigned, true, "self"),
        (.good, false, "certificate"),
    ])
    func `a server that does not is told nothing, and the client why`(
        certificate: TLSHouse.Certificate, isTrusted: Bool, reason: String
    ) async throws {
        let tls = try await TLSHouse()
        let (server, port) = try await tls.serve(certificate)
        let house = try tls.gateway("https://localhost:\(port)/", trusting: isTrusted ? tls.authority : nil)
        let answer = try #require(try await house.answer(get("/whole", "Authorization: Bearer sk-secret\r\n")))
        #expect(answer.head.hasPrefix("HTTP/1.1 502 "))
        let why = try JSONValue(parsing: answer.body)["error"]?["why"]?.stringValue ?? ""
        #expect(why.contains("its certificate is not trusted") && why.contains(reason), "\(why)")
        #expect(!String(decoding: answer.body, as: UTF8.self).contains("sk-secret"))
        #expect(await house.drain().map(\.kind) == [.unreachable])
        await server.stop()
    }

    @Test func `certificates that cannot be read are said, and a server without TLS is no server`() async throws {
        let plain = try TestUpstream { connection in
            _ = connection.read()
            connection.write("HTTP/1.1 400 This is plain HTTP\r\nContent-Length: 0\r\n\r\n")
        }
        let tls = try await TLSHouse()
        for (file, reason) in [("/nowhere/ca.pem", "/nowhere/ca.pem"), (tls.authority, "TLS handshake failed")] {
            let house = try tls.gateway("https://localhost:\(plain.port)/", trusting: file)
            let answer = try #require(try await house.answer(get("/")))
            #expect(answer.head.hasPrefix("HTTP/1.1 502 "))
            let why = try JSONValue(parsing: answer.body)["error"]?["why"]?.stringValue ?? ""
            #expect(why.contains(reason), "\(why)")
            _ = await house.drain()
        }
    }

    @Test func `a handshake that does not go on ends with the time for connecting`() async throws {
        let tls = try await TLSHouse()
        let (server, port) = try await tls.serve(.good, "stall")
        let house = try tls.gateway("https://localhost:\(port)/", trusting: tls.authority) { $0.timeouts.connect = 200 }
        #expect(try await house.answer(get("/whole"))?.head.hasPrefix("HTTP/1.1 504 ") == true)
        #expect(await house.drain().map(\.kind) == [.timedOut])
        await server.stop()
    }

    @Test func `a connection is kept for the next request, and a new one takes up the session of the one before`() async throws {
        let tls = try await TLSHouse()
        let (server, port) = try await tls.serve(.good)
        let house = try tls.gateway("https://localhost:\(port)/", trusting: tls.authority)
        let first = try await told(house)
        let second = try await told(house)
        #expect(first["resumed"] == false)
        #expect(second["connection"] == first["connection"] && second["request"] == 2)
        _ = try await house.exchange(get("/close", "Connection: close\r\n"))
        let third = try await told(house)
        #expect(third["connection"] != first["connection"] && third["resumed"] == true)
        _ = await house.drain()
        await server.stop()
    }

    @Test func `an end that TLS did not announce is no end of an answer`() async throws {
        let tls = try await TLSHouse()
        let (server, port) = try await tls.serve(.good)
        let house = try tls.gateway("https://localhost:\(port)/", trusting: tls.authority)
        let whole = try await house.exchange(get("/close", "Connection: close\r\n"))
        #expect(whole?.hasSuffix("a\r\nto the end\r\n0\r\n\r\n") == true)
        for path in ["/cut", "/short"] {
            let broken = try await house.exchange(get(path, "Connection: close\r\n"))
            #expect(broken?.hasSuffix("0\r\n\r\n") != true, "\(path): \(broken ?? "")")
        }
        #expect(await house.drain().map(\.kind) == [.success, .brokenAnswer, .brokenAnswer])
        await server.stop()
    }

    @Test func `long bodies pass both ways, whoever is slow`() async throws {
        let tls = try await TLSHouse()
        let (server, port) = try await tls.serve(.good)
        let house = try tls.gateway("https://localhost:\(port)/", trusting: tls.authority)
        let large = try await onThread { [port = house.port, get] in
            let client = RawClient(port: port)
            client.write(get("/large", "Connection: close\r\n"))
            return client.readToEnd()?.utf8.count ?? 0
        }
        #expect(large > 8_000_000)
        let count = 5_000_000
        let uploaded = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n")
            client.write([UInt8](repeating: 0x61, count: count))
            return client.readMessage().map { String(decoding: $0.body, as: UTF8.self) }
        }
        #expect(uploaded == "\(count)")
        _ = await house.drain()
        await server.stop()
    }

    @Test func `events come through as they are sent, many connections at a time`() async throws {
        let tls = try await TLSHouse()
        let (server, port) = try await tls.serve(.good)
        let house = try tls.gateway("https://localhost:\(port)/", trusting: tls.authority)
        let streams = try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<20 { group.addTask { try await house.exchange(self.get("/events", "Connection: close\r\n")) } }
            return try await group.reduce(into: [String?]()) { $0.append($1) }
        }
        for stream in streams {
            let body = unchunked(stream ?? "")
            #expect(body == (0..<20).map { "data: \($0)\n\n" }.joined(), "\(body)")
        }
        #expect(await house.drain().allSatisfy { $0.kind == .success })
        await server.stop()
    }
}
