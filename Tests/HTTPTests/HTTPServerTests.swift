import Faults
import HTTP
import Sockets
import TestSockets
import Testing

/// A server whose handler echoes what it got.
private func echo(_ limits: HTTPServer.Limits = .init()) throws -> (HTTPServer, Int) {
    let server = HTTPServer(address: try SocketAddress(parsing: "127.0.0.1:0"), limits: limits) { request in
        let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
        return HTTPResponse(
            status: 200, headers: HTTPHeaders([("X-Echo", "\(request.method) \(request.path) \(query)")]),
            body: .bytes(request.body))
    }
    return (server, try server.start().port)
}

@Suite struct HTTPServerTests {
    @Test func `a request is answered with what the handler returns`() async throws {
        let (server, port) = try echo()
        let answer = try await Outbound().send(
            .init("POST", "http://127.0.0.1:\(port)/a%20b?x=1&y=%C3%A9+z", body: Array("hello".utf8)))
        #expect(answer.status == 200)
        #expect(answer.headers["x-echo"] == "POST /a b x=1,y=é z")
        #expect(answer.body == Array("hello".utf8))
        await server.drain(limit: .seconds(1))
    }

    @Test func `pipelined requests are answered in order on one connection`() async throws {
        let (server, port) = try echo()
        let answers = try await onThread {
            let client = RawClient(port: port)
            client.write(
                "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                    + "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return client.readToEnd() ?? ""
        }
        let order = answers.split(separator: "\r\n").filter { $0.hasPrefix("X-Echo") }
        #expect(order == ["X-Echo: GET /1 ", "X-Echo: POST /2 ", "X-Echo: GET /3 "])
        #expect(answers.contains("\r\n\r\nabc"))
        await server.drain(limit: .seconds(1))
    }

    @Test func `a client that waits for 100 Continue gets it`() async throws {
        let (server, port) = try echo()
        try await onThread {
            let client = RawClient(port: port)
            client.write("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            #expect(client.read(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            client.write("abc")
            #expect(client.read(until: "abc").hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
        await server.drain(limit: .seconds(1))
    }

    @Test func `limits are answered with their status and the answer is readable`() async throws {
        var limits = HTTPServer.Limits()
        (limits.bodyBytesMax, limits.headerBytesMax, limits.headerDeadline) = (1_000, 2_000, .seconds(60))
        // The same, in a hurry: only what never comes whole is sent there.
        var hurried = limits
        (hurried.headerDeadline, hurried.bodyDeadline) = (.milliseconds(200), .milliseconds(200))
        let (server, port) = try echo(limits)
        let (hurriedServer, hurriedPort) = try echo(hurried)
        func answer(_ request: String, at port: Int = port) async throws -> String {
            try await onThread {
                let client = RawClient(port: port)
                client.write(request)
                return String((client.readToEnd() ?? "reset").prefix(12))
            }
        }
        let body = String(repeating: "x", count: 200_000)
        #expect(try await answer("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + body) == "HTTP/1.1 413")
        #expect(
            try await answer("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\n" + body) == "HTTP/1.1 413")
        #expect(
            try await answer("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "y", count: 3_000))\r\n\r\n") == "HTTP/1.1 431")
        #expect(try await answer("GET / HTTP/1.1\r\nHost", at: hurriedPort) == "HTTP/1.1 408")
        #expect(try await answer("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", at: hurriedPort) == "HTTP/1.1 408")
        await server.drain(limit: .seconds(1))
        await hurriedServer.drain(limit: .seconds(1))
    }

    @Test func `a client over the connection limit reads 503`() async throws {
        var limits = HTTPServer.Limits()
        limits.connectionsMax = 1
        let (server, port) = try echo(limits)
        try await onThread {
            let first = RawClient(port: port)
            first.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(first.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
            #expect(RawClient(port: port).readToEnd()?.hasPrefix("HTTP/1.1 503") == true)
        }
        await server.drain(limit: .seconds(1))
    }

    @Test func `a stream is written as it comes and ends when its source ends`() async throws {
        let (chunks, source) = AsyncStream<[UInt8]>.makeStream()
        let server = HTTPServer(address: try SocketAddress(parsing: "127.0.0.1:0")) { _ in
            HTTPResponse(status: 200, body: .stream(chunks))
        }
        let port = try server.start().port
        let (status, received) = try await Outbound().stream(.init("GET", "http://127.0.0.1:\(port)/"))
        #expect(status == 200)
        var iterator = received.makeAsyncIterator()
        for text in ["one", "two"] {
            source.yield(Array(text.utf8))
            #expect(await iterator.next() == Array(text.utf8))
        }
        source.finish()
        #expect(await iterator.next() == nil)
        await server.drain(limit: .seconds(1))
    }

    @Test func `a stream is cancelled when its client goes away`() async throws {
        let (ended, endedSource) = AsyncStream<Bool>.makeStream()
        let server = HTTPServer(address: try SocketAddress(parsing: "127.0.0.1:0")) { _ in
            let (chunks, source) = AsyncStream<[UInt8]>.makeStream()
            source.onTermination = { _ in endedSource.yield(true) }
            source.yield([0x61])
            return HTTPResponse(status: 200, body: .stream(chunks))
        }
        let port = try server.start().port
        try await onThread {
            let client = RawClient(port: port)
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = client.read(until: "1\r\na\r\n")
        }
        var iterator = ended.makeAsyncIterator()
        #expect(await iterator.next() == true)
        await server.drain(limit: .seconds(1))
    }

    @Test func `a drain answers what is in flight and closes the idle`() async throws {
        let (gate, open) = AsyncStream<Void>.makeStream()
        let (entered, enter) = AsyncStream<Void>.makeStream()
        let server = HTTPServer(address: try SocketAddress(parsing: "127.0.0.1:0")) { _ in
            enter.yield()
            for await _ in gate { break }
            return HTTPResponse(status: 200, body: .bytes([0x6F, 0x6B]))
        }
        let port = try server.start().port
        let (idle, busy) = (RawClient(port: port), RawClient(port: port))
        busy.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for await _ in entered { break }
        async let drained: Void = server.drain(limit: .seconds(60))
        #expect(try await onThread { idle.readToEnd() } == "")
        open.yield()
        #expect(try await onThread { busy.readToEnd() }?.hasSuffix("\r\n\r\nok") == true)
        await drained
    }

    @Test func `nothing answering is an unavailable fault, and a large answer a limit`() async throws {
        let (server, port) = try echo()
        let outbound = Outbound()
        await #expect(throws: Fault.self) {
            _ = try await outbound.send(
                .init("POST", "http://127.0.0.1:\(port)/", body: [UInt8](repeating: 1, count: 2_000), responseBytesMax: 1_000))
        }
        await server.drain(limit: .seconds(1))
        do {
            _ = try await outbound.send(.init("GET", "http://127.0.0.1:\(port)/"))
            Issue.record("it answered")
        } catch {
            #expect(error.kind == .unavailable)
        }
    }
}
