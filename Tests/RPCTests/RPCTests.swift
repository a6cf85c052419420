import Faults
import RPC
import TestFolders
import Testing

@Suite struct RPCTests {
    private let folder = TemporaryFolder()
    private var address: String { "unix:\(folder.path)/s" }

    private func echo() throws -> RPCServer {
        try RPCServer(
            on: address,
            handlers: [
                "/test.Echo/Once": { call in
                    guard let message = await call.receive() else { return RPCStatus(.invalidArgument, "say something") }
                    _ = await call.send(message.reversed())
                    return .ok
                },
                "/test.Echo/Stream": { call in
                    if call.metadata("authorization") != "Bearer abc" { return RPCStatus(.unauthenticated, "who are you?") }
                    while let message = await call.receive() { if await !call.send(message) { break } }
                    return RPCStatus(.ok, "that was all")
                },
                "/test.Echo/Never": { call in
                    _ = await call.receive()
                    while await call.receive() != nil {}
                    return .ok
                },
            ])
    }

    @Test func `a message goes there and one comes back`() async throws {
        let server = try echo()
        let channel = try RPCChannel(to: address)
        #expect(try await channel.ask("/test.Echo/Once", [1, 2, 3], deadline: .seconds(600)) == [3, 2, 1])
        #expect(try await channel.ask("/test.Echo/Once", [], deadline: .seconds(600)) == [])
        await server.stop()
    }

    @Test func `a stream carries messages both ways, in order, and its status last`() async throws {
        let server = try echo()
        let call = try RPCChannel(to: address).call("/test.Echo/Stream", metadata: [("authorization", "Bearer abc")])
        for number in 0..<200 {
            let message = [UInt8](repeating: UInt8(number), count: number * 50)
            #expect(await call.send(message))
            #expect(await call.receive() == message)
        }
        await call.finishSending()
        #expect(await call.receive() == nil)
        #expect(await call.status() == RPCStatus(.ok, "that was all"))
        await server.stop()
    }

    @Test func `a refusal says why`() async throws {
        let server = try echo()
        let channel = try RPCChannel(to: address)
        await #expect(throws: RPCStatus(.unimplemented, "there is no method /test.Echo/Nothing")) {
            try await channel.ask("/test.Echo/Nothing", [1], deadline: .seconds(600))
        }
        let call = channel.call("/test.Echo/Stream", metadata: [("authorization", "Bearer abd")])
        #expect(await call.receive() == nil)
        #expect(await call.status().code == .unauthenticated)
        await server.stop()
    }

    @Test func `a message past the limit is refused`() async throws {
        let server = try echo()
        let channel = try RPCChannel(to: address)
        let large = [UInt8](repeating: 7, count: (1 << 20) + 1)
        do {
            _ = try await channel.ask("/test.Echo/Once", large, deadline: .seconds(600))
            Issue.record("it went through")
        } catch { #expect(error.code == .resourceExhausted) }
        await server.stop()
    }

    @Test func `nobody waits longer than a deadline, or after a cancellation`() async throws {
        let server = try echo()
        let channel = try RPCChannel(to: address)
        let late = channel.call("/test.Echo/Never", deadline: .milliseconds(50))
        #expect(await late.receive() == nil)
        #expect(await late.status().code == .deadlineExceeded)
        let dropped = channel.call("/test.Echo/Never")
        #expect(await dropped.send([1]))
        dropped.cancel()
        #expect(await dropped.receive() == nil)
        #expect(await dropped.status().code == .cancelled)
        await server.stop()
    }

    @Test func `a server that stops ends its calls, and one after it is found by the same channel`() async throws {
        let first = try echo()
        let channel = try RPCChannel(to: address)
        let call = channel.call("/test.Echo/Stream", metadata: [("authorization", "Bearer abc")])
        #expect(await call.send([9]))
        #expect(await call.receive() == [9])
        await first.stop()
        #expect(await call.receive() == nil)
        #expect(await call.status().code != .ok)
        let second = try echo()
        var answer: [UInt8]?
        let deadline = ContinuousClock.now + .seconds(600)
        while answer == nil, ContinuousClock.now < deadline {
            answer = try? await channel.ask("/test.Echo/Once", [1, 2], deadline: .seconds(5))
        }
        #expect(answer == [2, 1])
        await second.stop()
    }

    @Test func `an address that cannot be listened on is a fault`() throws {
        #expect(throws: Fault.self) { try RPCServer(on: "unix:\(folder.path)/no/such/folder", handlers: [:]) }
    }
}
