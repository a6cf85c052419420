import Faults
import Processes
import RPC
import TestFolders
import Testing
import Worker

/// Our gRPC and our codec of protocol buffers against Python's: random messages of docs/protocols/worker.proto, both ways.
@Suite(.enabled("Python's gRPC can be installed") { await PythonPeer.isThere() }) struct PythonPeerTests {
    private let folder = TemporaryFolder()
    private let seed = UInt32.random(in: 0...(.max))
    private var address: String { "unix:\(folder.path)/s" }

    private func peer(_ what: String, count: Int) throws -> Child {
        try Child.start(
            .init(
                arguments: [
                    PythonPeer.python, "\(Workshop.root)/Tests/Fixtures/GRPC/peer.py",
                    "\(Workshop.root)/docs/protocols/worker.proto", address, what, "\(seed)", "\(count)",
                ],
                directory: folder.path, environment: Surroundings.variables, outputPath: "\(folder.path)/peer.log"))
    }

    @Test func `a server of Python's takes back what our codec made of its messages`() async throws {
        let peer = try peer("serve", count: 2_000)
        while peer.isRunning, !folder.text(of: "peer.log").contains("serving") { try await Task.sleep(for: .milliseconds(20)) }
        let channel = try RPCChannel(to: address)
        try await exchange(channel.call("/peer/Report"), count: 2_000) { Report(bytes: $0)?.bytes }
        try await exchange(channel.call("/peer/Order"), count: 2_000) { Order(bytes: $0)?.bytes }
        await peer.stop()
    }

    private func exchange(_ call: RPCCall, count: Int, _ remade: ([UInt8]) -> [UInt8]?) async throws {
        var seen = 0
        while let message = await call.receive() {
            seen += 1
            let back = try #require(remade(message), "our codec refuses message \(seen) of seed \(seed): \(message)")
            if await !call.send(back) { break }
        }
        #expect(await call.status() == .ok, "seed \(seed)")
        #expect(seen == count)
    }

    @Test func `a client of Python's gets back what our server made of its messages`() async throws {
        let server = try RPCServer(
            on: address,
            handlers: [
                "/peer/Report": { call in
                    while let message = await call.receive() { if await !call.send(Report(bytes: message)?.bytes ?? []) { break } }
                    return .ok
                },
                "/peer/Order": { call in
                    while let message = await call.receive() { if await !call.send(Order(bytes: message)?.bytes ?? []) { break } }
                    return .ok
                },
            ])
        let status = await (try peer("call", count: 2_000)).wait(limit: .seconds(120))
        #expect(status == .exited(code: 0), "seed \(seed): \(folder.text(of: "peer.log").suffix(4_000))")
        #expect(folder.text(of: "peer.log").contains("all the same"))
        await server.stop()
    }
}

/// gRPC in an environment of its own (scripts/setup-grpc.sh).
enum PythonPeer {
    static let python = "\(Workshop.root)/.build/grpc/bin/python"

    /// False only where it cannot be installed, which is said.
    static func isThere() async -> Bool { await setup.value }

    private static let setup = Task<Bool, Never> { await PythonClients.install("Python's gRPC", by: "setup-grpc.sh") }
}
