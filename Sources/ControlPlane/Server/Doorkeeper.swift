import Faults
import HTTP
import Sockets

/// Decides which requests may come in: the Host they name, the page they come from, the token they carry.
struct Doorkeeper: Sendable {
    /// Where the API is bound.
    let bound: SocketAddress

    private static let loopbackNames: Set<String> = ["localhost", "127.0.0.1", "::1"]
    private static let wildcards: Set<String> = ["0.0.0.0", "::"]

    /// Refuses names this API is not known by: a page whose own name was re-pointed at this machine (DNS rebinding) carries
    /// that name in Host. Ports are free, so that a forwarded port works.
    func checkHost(_ request: HTTPRequest) throws(Fault) {
        guard let host = request.headers["Host"], let name = Doorkeeper.hostName(host) else {
            throw Fault(
                .usage, what: "The request was refused.", why: "Its Host header is missing or malformed.",
                fix: "Call the API at http://\(bound.text).")
        }
        // Bound to every address of the machine, any of them may be named; still no DNS name, which an attacker could own.
        let boundToAll = Doorkeeper.wildcards.contains(bound.host) && Doorkeeper.isAddress(name)
        guard Doorkeeper.loopbackNames.contains(name) || name == bound.host.lowercased() || boundToAll else {
            throw Fault(
                .forbidden, what: "The request was refused.",
                why: "Its Host header says '\(host)', and this API is not known by that name.",
                fix: "Call it at http://\(bound.text), or start it with --control and that name's address.")
        }
    }

    /// A browser says where a request comes from; only a page of this very API may call it.
    func checkOrigin(_ request: HTTPRequest) throws(Fault) {
        guard let origin = request.headers["Origin"] else { return }
        let host = request.headers["Host"] ?? ""
        guard origin == "http://\(host)" || origin == "https://\(host)" else {
            throw Fault(
                .forbidden, what: "The request was refused.", why: "It comes from a page of another origin, '\(origin)'.",
                fix: "Call the API from a program, or from a page that it serves itself.")
        }
    }

    /// The secret in `Authorization: Bearer ...`.
    func bearer(_ request: HTTPRequest) throws(Fault) -> String {
        guard let header = request.headers["Authorization"] else {
            throw Fault(
                .unauthenticated, what: "The request carries no token.", why: "The Authorization header is missing.",
                fix:
                    "Send `Authorization: Bearer TOKEN`; the first admin token is in the daemon's home, in admin.token. The command line finds it there (--home DIR), or takes one from OPENCLAW_TOKEN."
            )
        }
        let parts = header.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer", parts[1].utf8.count <= 256 else {
            throw Fault(
                .unauthenticated, what: "The request's token cannot be read.",
                why: "The Authorization header is not `Bearer TOKEN`.",
                fix: "Send `Authorization: Bearer TOKEN`.")
        }
        return String(parts[1])
    }

    static func check(_ caller: Caller?, may scope: TokenScope) throws(Fault) -> Caller {
        guard let caller else {
            throw Fault(
                .unauthenticated, what: "The token is not known here.",
                why: "It was never created on this daemon, or it was revoked.",
                fix: "Make one with `openclaw token create NAME --scope \(scope.rawValue)`.")
        }
        guard caller.may(scope) else {
            let has = caller.scopes.map(\.rawValue).sorted().joined(separator: ", ")
            throw Fault(
                .forbidden, what: "Token '\(caller.token)' may not do this.",
                why: "It needs scope \(scope.rawValue) and has \(has).",
                fix: "Use another token, or make one with `openclaw token create NAME --scope \(scope.rawValue)`.")
        }
        return caller
    }

    /// The name in `name:port`, `[v6]:port`, `name`; lower case, nil when malformed.
    static func hostName(_ host: String) -> String? {
        let name: Substring
        let rest: Substring
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            name = host[host.index(after: host.startIndex)..<end]
            rest = host[host.index(after: end)...]
        } else {
            let colon = host.firstIndex(of: ":") ?? host.endIndex
            (name, rest) = (host[..<colon], host[colon...])
        }
        let port = rest.dropFirst()
        guard !name.isEmpty, rest.isEmpty || (rest.first == ":" && !port.isEmpty && port.allSatisfy(\.isWholeNumber))
        else { return nil }
        return name.lowercased()
    }

    /// An IPv6 address has colons; an IPv4 address ends in a label of digits, and no public name does.
    static func isAddress(_ name: String) -> Bool {
        name.contains(":") || name.split(separator: ".").last?.allSatisfy(\.isWholeNumber) == true
    }
}
