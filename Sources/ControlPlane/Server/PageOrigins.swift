public import Faults
import HTTP

/// Which pages may send what browsers send for them to the gateway's own doors. A page of anywhere can make a browser on this
/// machine post to loopback, and labels that strangers made would decide releases: a browser says where a request comes from,
/// and only pages named by --allow-origin, or of this very address on loopback, are let in. Programs name no origin.
public struct PageOrigins: Sendable {
    /// As browsers write them: `https://app.example.com`.
    let allowed: [String]

    private static let loopbackNames: Set<String> = ["localhost", "127.0.0.1", "::1"]

    /// The page that a request comes from; nil for a program's. Throws where it may not come from there.
    func check(_ request: HTTPRequest) throws(Fault) -> String? {
        guard let origin = request.headers["Origin"] else { return nil }
        if allowed.contains(origin) || isOwn(origin, host: request.headers["Host"] ?? "") { return origin }
        throw Fault(
            .forbidden, what: "The request was refused.", why: "It comes from a page of another origin, '\(origin)'.",
            fix: "Send it from a program, or start the daemon with --allow-origin and that origin.")
    }

    /// A page that this very address served. Its name is one of loopback: any other could have been re-pointed here.
    private func isOwn(_ origin: String, host: String) -> Bool {
        guard origin == "http://\(host)", let name = Doorkeeper.hostName(host) else { return false }
        return PageOrigins.loopbackNames.contains(name)
    }

    /// What a browser is told before it sends what its page made.
    func preflight(for origin: String?) -> HTTPResponse {
        var response = HTTPResponse(status: 204, headers: HTTPHeaders([("Allow", "POST, OPTIONS")]))
        if origin != nil {
            response.headers.append("Access-Control-Allow-Methods", "POST")
            response.headers.append("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match")
            response.headers.append("Access-Control-Max-Age", "600")
        }
        return marked(response, for: origin)
    }

    /// Lets the page read the answer.
    func marked(_ response: HTTPResponse, for origin: String?) -> HTTPResponse {
        guard let origin else { return response }
        var response = response
        response.headers.append("Access-Control-Allow-Origin", origin)
        response.headers.append("Access-Control-Expose-Headers", "ETag")
        response.headers.append("Vary", "Origin")
        return response
    }

    /// An origin as a browser writes it, of what a person wrote.
    public static func origin(_ text: String) throws(Fault) -> String {
        let lower = text.lowercased()
        let rest = ["https://", "http://"].first { lower.hasPrefix($0) }.map { lower.dropFirst($0.count) }
        guard let rest, !rest.isEmpty, rest.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x2F }) else {
            throw Fault(
                .usage, what: "'\(text)' is no origin.",
                why: "An origin is a scheme and a host, with the port where it is unusual.",
                fix: "Write it like https://app.example.com.")
        }
        return lower
    }
}
