import Faults
import Glibc
import HTTP
import JSON
import Sockets
import TestFolders

@testable import ControlPlane

/// A real daemon in a fresh home on ephemeral ports, and a client that talks to it.
final class DaemonHouse: Sendable {
    let daemon: Daemon
    let home: String
    private let folder: TemporaryFolder
    private let outbound = Outbound()

    /// `after`: the next life of a house whose daemon was drained.
    init(
        after earlier: DaemonHouse? = nil, in folder: TemporaryFolder? = nil, gateway: String = "127.0.0.1:0",
        applying files: [String] = [], allowing origins: [String] = []
    )
        async throws
    {
        self.folder = earlier?.folder ?? folder ?? TemporaryFolder()
        home = earlier?.home ?? "\(self.folder.path)/home"
        var settings = Daemon.Settings(
            home: home, gateway: try SocketAddress(parsing: gateway), control: try SocketAddress(parsing: "127.0.0.1:0"), loops: 1,
            applyFiles: files, stopServersAtExit: true)
        settings.origins = origins
        daemon = try await Daemon.start(settings)
    }

    var control: String { "http://\(daemon.addresses?.control ?? "")" }
    var gateway: String { "http://\(daemon.addresses?.gateway ?? "")" }
    var adminToken: String {
        get throws { (try TextFile.read("\(home)/admin.token", bytesMax: 1_024) ?? "").filter { !$0.isWhitespace } }
    }

    /// One call of the API, with the admin token unless told otherwise.
    func call(
        _ method: String, _ path: String, _ body: JSONValue? = nil, token: String? = "", headers: [(String, String)] = []
    ) async throws -> (status: Int, json: JSONValue) {
        var headers = headers
        if let token { headers.append(("Authorization", "Bearer \(token.isEmpty ? try adminToken : token)")) }
        let answer = try await outbound.send(
            .init(method, control + path, headers: headers, body: body.map { Array($0.canonicalText.utf8) } ?? []))
        return (answer.status, (try? JSONValue(parsing: answer.body)) ?? .null)
    }

    func text(_ url: String) async throws -> (status: Int, text: String) {
        let answer = try await outbound.send(.init("GET", url))
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    func send(_ method: String, _ url: String, headers: [(String, String)] = [], body: String = "") async throws -> Outbound.Answer
    {
        try await outbound.send(.init(method, url, headers: headers, body: Array(body.utf8)))
    }

    func events(_ path: String, headers: [(String, String)] = []) async throws -> AsyncStream<[UInt8]> {
        let all = headers + [("Authorization", "Bearer \(try adminToken)")]
        return try await outbound.stream(.init("GET", control + path, headers: all)).chunks
    }

    /// Applies the text of one file.
    func apply(_ text: String, token: String? = "", only: String? = nil) async throws -> (status: Int, json: JSONValue) {
        var body: [String: JSONValue] = ["files": [["name": "test.yaml", "directory": "/tmp", "text": .string(text)]]]
        if let only { body["only"] = .string(only) }
        return try await call("POST", "/api/v1/apply", .object(body), token: token)
    }

    static let route = """
        route:
          name: fraud
          match: { path: "/fraud" }
          unit: "header:X-User-Id"
          variants:
            v11: { url: "http://127.0.0.1:9001/infer", share: 90% }
            v12: { url: "http://127.0.0.1:9002/infer", share: 10% }
        """
}
