import Faults
import HTTP
import JSON
import Sockets
import Synchronization
import Telemetry

/// The control API: routes, checks and answers requests. It decides nothing that the capabilities behind it do not.
final class ControlServer: Sendable {
    static let bodyBytesMax = 8 << 20

    private let router: Router
    private let daemon: Daemon
    private let doorkeeper: Mutex<Doorkeeper>
    private let server: Mutex<HTTPServer?> = Mutex(nil)
    private let log = Log("control")

    init(endpoints: [Endpoint], address: SocketAddress, daemon: Daemon) {
        (self.router, self.daemon) = (Router(endpoints), daemon)
        doorkeeper = Mutex(Doorkeeper(bound: address))
    }

    /// Binds and serves; says the real port when 0 was asked for.
    func start() throws(Fault) -> SocketAddress {
        let address = doorkeeper.withLock(\.bound)
        var limits = HTTPServer.Limits()
        limits.bodyBytesMax = ControlServer.bodyBytesMax
        let server = HTTPServer(address: address, limits: limits) { [weak self] request in
            guard let self else { return HTTPResponse(status: 503) }
            return await self.answer(request)
        }
        let bound = try server.start()
        doorkeeper.withLock { $0 = Doorkeeper(bound: bound) }
        self.server.withLock { $0 = server }
        return bound
    }

    func drain(limit: Duration) async {
        let server = self.server.withLock(\.self)
        await server?.drain(limit: limit)
    }

    func answer(_ request: HTTPRequest) async -> HTTPResponse {
        switch router.match(method: request.method, path: request.path) {
        case .unknown(let closest):
            let hint = closest.map { "Did you mean \($0)? " } ?? ""
            return .refusal(
                Fault(
                    .notFound, what: "There is nothing at \(request.path).", why: "The API declares no such path.",
                    fix: "\(hint)All paths are listed at /api/openapi.json."))
        case .wrongMethod(let allowed):
            let methods = allowed.joined(separator: ", ")
            var refusal = HTTPResponse.refusal(
                Fault(
                    .usage, what: "\(request.method) is not possible at \(request.path).", why: "It takes \(methods).",
                    fix: "Use \(methods); what each does is listed at /api/openapi.json."), status: 405)
            refusal.headers.append("Allow", methods)
            return refusal
        case .found(let endpoint, let parameters):
            do {
                let caller = try await admit(request, to: endpoint)
                let body = try ControlServer.body(of: request, for: endpoint)
                let call = Call(request: request, parameters: parameters, caller: caller, body: body, daemon: daemon)
                return HTTPResponse.answer(try await endpoint.run(call))
            } catch {
                if error.kind == .failed { log.error(error.what, ["why": .string(error.why), "path": .string(request.path)]) }
                return .refusal(error)
            }
        }
    }

    private func admit(_ request: HTTPRequest, to endpoint: Endpoint) async throws(Fault) -> Caller? {
        let doorkeeper = doorkeeper.withLock(\.self)
        if endpoint.access != .open {  // a health check may come by any name
            try doorkeeper.checkHost(request)
            try doorkeeper.checkOrigin(request)
        }
        let scope: TokenScope
        switch endpoint.access {
        case .open: return nil
        case .openOnLoopback where doorkeeper.bound.isLoopback: return nil
        case .openOnLoopback: scope = .read
        case .scope(let wanted): scope = wanted
        }
        let secret = try doorkeeper.bearer(request)
        return try Doorkeeper.check(await daemon.services().tokens.caller(presenting: secret), may: scope)
    }

    private static func body(of request: HTTPRequest, for endpoint: Endpoint) throws(Fault) -> JSONValue {
        guard let schema = endpoint.takes else { return .null }
        let body: JSONValue
        do {
            body = try JSONValue(parsing: request.body)
        } catch {
            throw Fault(
                .usage, what: "The request's body cannot be read.", why: error.why,
                fix: "Send one JSON document; its shape is at /api/openapi.json.")
        }
        if let complaint = schema.mismatch(body) {
            throw Fault(
                .usage, what: "The request's body is not what \(endpoint.path) takes.", why: "In it, \(complaint).",
                fix: "Its shape is at /api/openapi.json.")
        }
        return body
    }
}

extension HTTPResponse {
    static func answer(_ answer: Answer) -> HTTPResponse {
        switch answer {
        case .json(let value, let status):
            HTTPResponse(
                status: status, headers: headers(type: "application/json"), body: .bytes(Array((value.canonicalText + "\n").utf8)))
        case .whole(let response): response
        case .text(let text, let type): HTTPResponse(status: 200, headers: headers(type: type), body: .bytes(Array(text.utf8)))
        case .stream(let stream, let type): HTTPResponse(status: 200, headers: headers(type: type), body: .stream(stream))
        case .events(let stream): HTTPResponse(status: 200, headers: headers(type: "text/event-stream"), body: .stream(stream))
        }
    }

    /// `{"error":{"what","why","fix"}}` with the status of the fault's kind.
    static func refusal(_ fault: Fault, status: Int? = nil) -> HTTPResponse {
        var response = answer(.json(fault.json, status: status ?? fault.httpStatus))
        if fault.kind == .unauthenticated { response.headers.append("WWW-Authenticate", "Bearer realm=\"openclaw\"") }
        if fault.kind == .unavailable { response.headers.append("Retry-After", "1") }
        return response
    }

    private static func headers(type: String) -> HTTPHeaders {
        HTTPHeaders([
            ("Content-Type", type), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
        ])
    }
}

extension Fault {
    /// As every program reads it.
    var json: JSONValue { ["error": ["what": .string(what), "why": .string(why), "fix": .string(fix)]] }
}
