/// An address the gateway can send to: `http://host:port/path`, or the same with https, taken apart.
public struct UpstreamURL: Equatable, Sendable {
    /// Spoken to through TLS.
    public let isSecure: Bool
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    public let host: String
    public let port: UInt16
    /// Begins with `/`.
    public let path: String

    /// Why a text is not one.
    public enum Refusal: Error, Equatable, Sendable {
        case notHTTP, userInfo, queryOrFragment, badHost, badPort, badPath
    }

    public init(_ text: String) throws(Refusal) {
        let lower = text.prefix(8).lowercased()
        isSecure = lower == "https://"
        guard isSecure || lower.hasPrefix("http://"), text.utf8.count <= 2_048 else { throw .notHTTP }
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let (authority, path) = (rest[..<slash], rest[slash...])
        if rest.contains(where: { $0 == "?" || $0 == "#" }) { throw .queryOrFragment }
        if authority.contains("@") { throw .userInfo }
        (host, port) = try UpstreamURL.endpoint(authority, standard: isSecure ? 443 : 80)
        guard path.utf8.allSatisfy({ UpstreamURL.isPathByte($0) }) else { throw .badPath }
        self.path = path.isEmpty ? "/" : String(path)
    }

    private static func endpoint(_ authority: Substring, standard: UInt16) throws(Refusal) -> (String, UInt16) {
        var host = authority
        var port: Substring? = nil
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else { throw .badHost }
            host = authority[authority.index(after: authority.startIndex)..<close]
            let tail = authority[authority.index(after: close)...]
            guard tail.isEmpty || tail.first == ":" else { throw .badHost }
            if !tail.isEmpty { port = tail.dropFirst() }
            guard host.contains(":"), host.utf8.allSatisfy({ isHexDigit($0) || $0 == 0x3a || $0 == 0x2e }) else { throw .badHost }
        } else {
            if let colon = authority.firstIndex(of: ":") {
                (host, port) = (authority[..<colon], authority[authority.index(after: colon)...])
            }
            guard isName(host) else { throw .badHost }
        }
        guard let port else { return (String(host), standard) }
        guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(port), number > 0 else { throw .badPort }
        return (String(host), number)
    }

    /// `host:port`, with brackets around an IPv6 address.
    public var authority: String { "\(bracketed):\(port)" }

    /// As a Host line names it: without the port that its scheme has anyway.
    public var hostField: String { port == (isSecure ? 443 : 80) ? bracketed : authority }

    private var bracketed: String { host.contains(":") ? "[\(host)]" : host }

    /// Letters, digits, `.`, `-` and `_`, 1 to 253 bytes.
    static func isName(_ host: Substring) -> Bool {
        (1...253).contains(host.utf8.count)
            && host.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
                default: false
                }
            }
    }

    /// What may stand in a path as it is sent: RFC 3986 pchar, `/` and `%`.
    static func isPathByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "-._~!$&'()*+,;=:@/%".utf8.contains(byte)
        }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }
}
