public import Faults
import JSON
import Telemetry
public import YAML

/// Shares as people write and read them: `90%`, `0.01%`, in basis points inside.
public enum Share {
    /// `12.5 %`
    public static func text(_ basisPoints: Int) -> String {
        let (whole, rest) = basisPoints.quotientAndRemainder(dividingBy: 100)
        if rest == 0 { return "\(whole) %" }
        let digits = rest < 10 ? "0\(rest)" : "\(rest)"
        return "\(whole).\(digits.hasSuffix("0") ? String(digits.dropLast()) : digits) %"
    }

    /// `12.5%` -> 1 250; nil for what is not a percentage of 0 to 100 with at most two decimals.
    public static func basisPoints(_ text: String) -> Int? {
        guard let fraction = Quantity.percentage(text), (0...1).contains(fraction) else { return nil }
        let points = (fraction * 10_000).rounded()
        return abs(points - fraction * 10_000) < 1e-6 ? Int(points) : nil
    }

    public static func basisPoints(_ node: YAMLNode) throws(Fault) -> Int {
        let text = try node.string()
        guard let points = basisPoints(text) else {
            throw node.fault(
                "'\(text)' is not a share", why: "a share is a percentage from 0% to 100%, at most 0.01% fine",
                fix: "write it with its percent sign, such as `share: 10%`")
        }
        return points
    }
}

extension RouteMatch {
    init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("the match of a route")
        try file.refuseUnknown(known: ["host", "path"])
        self.init(path: try RouteMatch.path(try file.required("path")))
        if let node = file["host"] {
            let text = try node.string()
            guard UpstreamURL.isName(text[...]) else {
                throw node.fault(
                    "'\(text)' is not a host to match", why: "it is compared with the request's Host, without a port",
                    fix: "write a name such as api.example.com")
            }
            host = text.lowercased()
        }
    }

    /// `/fraud/` is read as `/fraud`: a prefix ends at a path boundary anyway.
    private static func path(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        let segments = text.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let inner = segments.last == "" ? segments.dropLast() : segments
        let isPlain = text.utf8.allSatisfy { UpstreamURL.isPathByte($0) && $0 != UInt8(ascii: "%") }
        guard text.hasPrefix("/"), text.utf8.count <= 1_024, isPlain,
            inner.allSatisfy({ $0 != "" && $0 != "." && $0 != ".." })
        else {
            throw node.fault(
                "'\(text)' is not a path to match",
                why: "it is a prefix of request paths: it begins with '/', without empty or dot segments, '%', query or fragment",
                fix: "write a path such as /fraud")
        }
        return inner.isEmpty ? "/" : "/" + inner.joined(separator: "/")
    }
}

extension UnitSource {
    public init(_ node: YAMLNode) throws(Fault) {
        let text = try node.string()
        guard let source = UnitSource(text) else {
            throw node.fault(
                "'\(text)' is not where a unit can come from", why: "the unit is who keeps seeing the same variant",
                fix: "write header:NAME, cookie:NAME, json:/POINTER or client")
        }
        self = source
    }
}

extension RouteTimeouts {
    init(_ node: YAMLNode) throws(Fault) {
        self.init()
        let file = try node.mapping("the timeouts of a route")
        try file.refuseUnknown(known: ["connect", "first_byte", "idle"])
        if let node = file["connect"] { connect = try RouteTimeouts.limit(node) }
        if let node = file["first_byte"] { firstByte = try RouteTimeouts.limit(node) }
        if let node = file["idle"] { idle = try RouteTimeouts.limit(node) }
    }

    private static func limit(_ node: YAMLNode) throws(Fault) -> Int64 {
        let limit = try node.duration().milliseconds
        guard (1...86_400_000).contains(limit) else {
            throw node.fault(
                "a timeout of \(limit) ms cannot be kept", why: "timeouts are from 1ms to 1d", fix: "choose one of these")
        }
        return limit
    }
}

extension Rewrite {
    static let changesMax = 64
    /// The gateway writes these itself: they frame the message or belong to one connection.
    static let headersOfGateway: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade",
    ]

    public init(_ node: YAMLNode) throws(Fault) {
        self.init()
        let file = try node.mapping("a rewrite")
        try file.refuseUnknown(known: ["json", "headers"])
        let json = try file["json"]?.mapping("the JSON fields of a rewrite").entries ?? []
        let headers = try file["headers"]?.mapping("the headers of a rewrite").entries ?? []
        guard json.count + headers.count <= Rewrite.changesMax else {
            throw node.fault(
                "a rewrite cannot change \(json.count + headers.count) things", why: "the limit is \(Rewrite.changesMax)",
                fix: "change fewer, or change them in the upstream")
        }
        for entry in json { self.json[try Rewrite.pointer(entry)] = entry.value.json }
        for entry in headers { self.headers[try Rewrite.header(entry)] = try Rewrite.value(entry.value) }
    }

    private static func pointer(_ entry: YAMLNode.Entry) throws(Fault) -> String {
        guard FieldName.isPointer(entry.key) else {
            throw entry.value.fault(
                "'\(entry.key)' is not a JSON pointer", why: "fields are addressed as in RFC 6901",
                fix: "write it as /model or /a/b")
        }
        return entry.key
    }

    private static func header(_ entry: YAMLNode.Entry) throws(Fault) -> String {
        guard FieldName.isToken(entry.key), !headersOfGateway.contains(entry.key.lowercased()) else {
            throw entry.value.fault(
                "header '\(entry.key)' cannot be rewritten",
                why: "it is not a header name, or it is one the gateway itself must set",
                fix: "remove it")
        }
        return entry.key
    }

    private static func value(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        guard text.utf8.count <= 4_096, text.utf8.allSatisfy({ ($0 >= 0x20 && $0 != 0x7f) || $0 == 0x09 }) else {
            throw node.fault(
                "a header value cannot have control characters or over 4 096 bytes", why: "a line break would end the header",
                fix: "remove them")
        }
        return text
    }
}
