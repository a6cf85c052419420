import Arguments
import ControlPlane
import Faults
import HTTP
import JSON
import Sockets

/// The command line's side of the control API: finds the daemon and its token, sends, and turns refusals back into faults.
struct APIClient: Sendable {
    /// `http://127.0.0.1:7701`
    let server: String
    private let token: String?
    private let outbound = Outbound()

    /// The daemon `--server` names, else the home's own.
    ///
    /// The home's token goes to the home's daemon and to nobody else; a token in OPENCLAW_TOKEN goes to the server that was
    /// named beside it.
    init(_ invocation: Invocation) throws(Fault) {
        let environment = Environment.current
        let home = try Home.locate(option: invocation.value("home"), environment: environment)
        let own = try DaemonAddress.read(in: home)
        if let named = invocation.value("server") {
            let base = try APIClient.base(of: named)
            let isOwn = own.map { APIClient.names(base, $0.control) && DaemonAddress.isServed(home) } ?? false
            server = isOwn ? "http://\(own?.control ?? "")" : base
            token = try APIClient.token(environment, in: isOwn ? home : nil)
            return
        }
        guard let own, DaemonAddress.isServed(home) else {
            throw Fault(
                .unavailable, what: "No daemon serves \(home.path).",
                why: own == nil ? "None ever has." : "The one that did has ended.",
                fix: "Start it with `openclaw serve`, or name another: --server URL or --home DIR.")
        }
        server = "http://\(own.control)"
        token = try APIClient.token(environment, in: home)
    }

    private static func token(_ environment: [String: String], in home: Home?) throws(Fault) -> String? {
        if let named = environment["OPENCLAW_TOKEN"] { return named }
        guard let home else { return nil }
        return try TextFile.read(home.tokenFile, bytesMax: 1_024).map { $0.filter { !$0.isWhitespace } }
    }

    /// Whether a server is a daemon's own address; `localhost` is another name of 127.0.0.1.
    static func names(_ server: String, _ control: String) -> Bool {
        server == "http://\(control)"
            || (control.hasPrefix("127.0.0.1:") && server == "http://localhost:\(control.dropFirst("127.0.0.1:".count))")
    }

    /// `http://host:port` of what the user typed; the scheme may be left out.
    static func base(of text: String) throws(Fault) -> String {
        var rest = Substring(text)
        var scheme = "http"
        if let mark = rest.firstRange(of: "://") { (scheme, rest) = (String(rest[..<mark.lowerBound]), rest[mark.upperBound...]) }
        while rest.last == "/" { rest.removeLast() }
        guard ["http", "https"].contains(scheme), !rest.isEmpty, !rest.contains(where: { "/?#@ ".contains($0) }) else {
            throw Fault(
                .usage, what: "'\(text)' is not a server.", why: "--server takes the address of a daemon's control API.",
                fix: "Write it as http://127.0.0.1:7701.")
        }
        if scheme == "https" { return "https://\(rest)" }
        return "http://\(try SocketAddress(parsing: String(rest), defaultPort: 7701).text)"
    }

    func get(_ path: String) async throws(Fault) -> JSONValue { try await send("GET", path, nil) }
    func post(_ path: String, _ body: JSONValue) async throws(Fault) -> JSONValue { try await send("POST", path, body) }
    func put(_ path: String, _ body: JSONValue) async throws(Fault) -> JSONValue { try await send("PUT", path, body) }
    func delete(_ path: String) async throws(Fault) -> JSONValue { try await send("DELETE", path, nil) }

    private func send(_ method: String, _ path: String, _ body: JSONValue?) async throws(Fault) -> JSONValue {
        let answer: Outbound.Answer
        do {
            answer = try await outbound.send(request(method, path, body, deadline: .seconds(60)))
        } catch {
            throw unreachable(error)
        }
        let json = try APIClient.json(of: answer.body, from: server)
        guard (200..<300).contains(answer.status) else { throw APIClient.fault(json, status: answer.status, server) }
        return json
    }

    /// Server-sent events of a path. Ends when the daemon ends the stream or goes away.
    func events(_ path: String) async throws(Fault) -> AsyncStream<ServerSentEvent> {
        APIClient.events(in: try await text(path))
    }

    private static func events(in chunks: AsyncStream<[UInt8]>) -> AsyncStream<ServerSentEvent> {
        AsyncStream { continuation in
            let task = Task {
                var parser = ServerSentEventParser()
                for await chunk in chunks {
                    for event in parser.receive(chunk) { continuation.yield(event) }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// A text that is read as it comes. Whether it came whole, its own last line must say.
    func text(_ path: String) async throws(Fault) -> AsyncStream<[UInt8]> {
        let (status, chunks): (Int, AsyncStream<[UInt8]>)
        do {
            (status, chunks) = try await outbound.stream(request("GET", path, nil, deadline: .seconds(7 * 24 * 3_600)))
        } catch {
            throw unreachable(error)
        }
        guard status == 200 else {
            var body: [UInt8] = []
            for await chunk in chunks where body.count < 1 << 20 { body += chunk }
            throw APIClient.fault(try APIClient.json(of: body, from: server), status: status, server)
        }
        return chunks
    }

    private func request(_ method: String, _ path: String, _ body: JSONValue?, deadline: Duration) -> Outbound.Request {
        var headers = [("Accept", "application/json, text/event-stream")]
        if let token { headers.append(("Authorization", "Bearer \(token)")) }
        if body != nil { headers.append(("Content-Type", "application/json")) }
        return Outbound.Request(
            method, server + path, headers: headers, body: body.map { Array($0.canonicalText.utf8) } ?? [], deadline: deadline,
            responseBytesMax: 256 << 20)
    }

    private func unreachable(_ fault: Fault) -> Fault {
        guard fault.kind == .unavailable else { return fault }
        return Fault(
            .unavailable, what: "No daemon answers at \(server).", why: fault.why,
            fix: "Start it with `openclaw serve`, or name another: --server URL or --home DIR.")
    }

    private static func json(of body: [UInt8], from server: String) throws(Fault) -> JSONValue {
        do {
            return try JSONValue(parsing: body)
        } catch {
            throw Fault(
                .failed, what: "\(server) does not speak the control API.", why: "Its answer is not JSON: \(error.why)",
                fix: "Check --server: it takes the address of the control API, not of the gateway.")
        }
    }

    /// The fault behind a refusal: its kind is in the status.
    static func fault(_ json: JSONValue, status: Int, _ server: String) -> Fault {
        let kind = Fault.Kind.allCases.first { Fault($0, what: "", why: "", fix: "").httpStatus == status }
        guard let error = json["error"], let what = error["what"]?.stringValue else {
            return Fault(
                .failed, what: "\(server) answered with status \(status).", why: "Its answer carries no reason.",
                fix: "Check --server: it takes the address of the control API.")
        }
        return Fault(
            kind ?? (status < 500 ? .usage : .failed), what: what, why: error["why"]?.stringValue ?? "",
            fix: error["fix"]?.stringValue ?? "")
    }
}

extension APIClient {
    /// One segment of a path, whatever characters a user typed.
    static func segment(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x40: encoded.unicodeScalars.append(.init(byte))
            default: encoded += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}
