import Gateway
import Glibc
import HTTP
import Outcomes
import Routing
import Synchronization
import TestSockets
import Testing

/// Kilobytes of this process that are in memory.
private func residentKilobytes() -> Int {
    guard let file = unsafe fopen("/proc/self/status", "r") else { return 0 }
    defer { unsafe fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while unsafe fgets(&line, 256, file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if text.hasPrefix("VmRSS:") { return Int(text.filter(\.isNumber)) ?? 0 }
    }
    return 0
}

@Suite(.serialized) struct StreamingTests {
    @Test func `server-sent events pass as they come`() async throws {
        let next = Mutex(0)
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in 0..<20 {
                // The next event is written only once the client has the one before.
                while next.withLock({ $0 }) < number { sched_yield() }
                let event = "data: \(number)\n\n"
                connection.write("\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n")
            }
            connection.write("0\r\n\r\n")
        }
        let house = try GatewayHouse(to: upstream)
        try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for number in 0..<20 {
                #expect(client.read(until: "\n\n\r\n").hasSuffix("data: \(number)\n\n\r\n"))
                next.withLock { $0 = number + 1 }
            }
            #expect(client.read(until: "0\r\n\r\n").hasSuffix("0\r\n\r\n"))
        }
        #expect(await house.drain().first?.kind == .success)
    }

    @Test func `a gateway knows which requests it is answering, so that feedback may come before the end of a stream`() async throws
    {
        let isSeen = Atomic<Bool>(false)
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.write("9\r\ndata: 1\n\n\r\n")
            while !isSeen.load(ordering: .sequentiallyConsistent) { sched_yield() }
            connection.write("0\r\n\r\n")
        }
        let house = try GatewayHouse(to: upstream)
        let client = RawClient(port: house.port)
        let head = try await onThread {
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.read(until: "data: 1")
        }
        let id = try #require(field("X-OpenClaw-Request-Id", head).flatMap(RequestID.init))
        let guessed = RequestID(instance: id.instance, loop: id.loop, sequence: id.sequence, nonce: id.nonce ^ 1)
        let elsewhere = RequestID(instance: id.instance, loop: 200, sequence: 1, nonce: 1)
        #expect(await house.gateway.answering([id, guessed, elsewhere]) == [id])
        isSeen.store(true, ordering: .sequentiallyConsistent)
        _ = try await onThread { client.read(until: "0\r\n\r\n") }
        #expect(await house.drain().map(\.request) == [id])
        #expect(await house.gateway.answering([id]).isEmpty)
    }

    @Test(arguments: [false, true])
    func `a body of 200 MB goes up with little memory`(chunked: Bool) async throws {
        let total = 200 << 20
        let received = Atomic<Int>(0)
        let upstream = try TestUpstream(records: false) { connection in
            let head = connection.read(until: "\r\n\r\n")
            var count = 0
            if chunked {
                #expect(head.contains("Transfer-Encoding: chunked"))
                while let size = Int(connection.read(until: "\r\n").dropLast(), radix: 16), size > 0 {
                    count += connection.read(exactly: size).count
                    _ = connection.read(exactly: 2)
                }
            } else {
                while count < total, let piece = connection.read(), !piece.isEmpty { count += piece.count }
            }
            received.store(count, ordering: .sequentiallyConsistent)
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            _ = connection.read()
        }
        let house = try GatewayHouse(to: upstream)
        let before = residentKilobytes()
        let answer = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            let piece = [UInt8](repeating: 0x61, count: 1 << 20)
            client.write(
                "POST / HTTP/1.1\r\nHost: a\r\n\(chunked ? "Transfer-Encoding: chunked" : "Content-Length: \(total)")\r\n\r\n")
            for _ in 0..<200 { client.write(chunked ? Array("100000\r\n".utf8) + piece + [0x0D, 0x0A] : piece) }
            if chunked { client.write("0\r\n\r\n") }
            return client.readMessage()
        }
        #expect(answer?.body == Array("ok".utf8))
        #expect(received.load(ordering: .sequentiallyConsistent) == total)
        #expect(residentKilobytes() - before < 60_000)
        _ = await house.drain()
    }

    @Test func `an upstream waits for a client that does not read, and goes on when it does`() async throws {
        let total = 64 << 20
        let written = Atomic<Int>(0)
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let piece = [UInt8](repeating: 0x62, count: 1 << 16)
            for _ in 0..<total >> 16 {
                guard connection.write(piece) else { return }
                written.wrappingAdd(piece.count, ordering: .sequentiallyConsistent)
            }
        }
        let house = try GatewayHouse(to: upstream)
        try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            // The kernel's buffers fill; then nothing moves any more.
            var last = -1
            while last != written.load(ordering: .sequentiallyConsistent) || last == 0 {
                last = written.load(ordering: .sequentiallyConsistent)
                usleep(300_000)
            }
            #expect(last < total / 2)
            _ = client.read(until: "\r\n\r\n")
            #expect(client.read(exactly: total).count == total)
        }
        #expect(written.load(ordering: .sequentiallyConsistent) == total)
        #expect(await house.drain().first?.kind == .success)
    }

    @Test func `a client waits for an upstream that does not read`() async throws {
        let gate = Atomic<Bool>(false)
        let total = 64 << 20
        let upstream = try TestUpstream(records: false) { connection in
            _ = connection.read(until: "\r\n\r\n")
            while !gate.load(ordering: .acquiring) { usleep(10_000) }
            #expect(connection.read(exactly: total).count == total)
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            _ = connection.read()
        }
        let house = try GatewayHouse(to: upstream)
        let sent = Atomic<Int>(0)
        async let answer = onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(total)\r\n\r\n")
            for _ in 0..<total >> 16 {
                client.write([UInt8](repeating: 0x61, count: 1 << 16))
                sent.wrappingAdd(1 << 16, ordering: .sequentiallyConsistent)
            }
            return client.readMessage()?.body
        }
        try await onThread {
            var last = -1
            while last != sent.load(ordering: .sequentiallyConsistent) || last == 0 {
                last = sent.load(ordering: .sequentiallyConsistent)
                usleep(300_000)
            }
            #expect(last < total / 2)
            gate.store(true, ordering: .releasing)
        }
        #expect(try await answer == Array("ok".utf8))
        _ = await house.drain()
    }
}
