/// Requests that every server of ours refuses, as bytes, with the name that stands in a failing test.
public enum HostileRequests {
    public struct Case: Sendable, CustomStringConvertible {
        public let description: String
        public let bytes: String
        public let status: Int
    }

    private static func `case`(_ name: String, _ bytes: String, _ status: Int = 400) -> Case {
        Case(description: name, bytes: bytes, status: status)
    }

    /// Complete as they stand: the refusal needs no further byte.
    public static let all: [Case] =
        framing + fields + lines + [
            `case`("a line longer than 16 KiB", "GET /\(String(repeating: "a", count: 20_000)) HTTP/1.1\r\nHost: a\r\n\r\n", 431),
            `case`(
                "a header section larger than 32 KiB",
                "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: \(String(repeating: "y", count: 900))\r\n", count: 40)
                    + "\r\n",
                431),
            `case`(
                "more than 100 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 101) + "\r\n", 431),
            `case`("an upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 501),
            `case`("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
            `case`("another expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\nContent-Length: 1\r\n\r\na", 417),
        ]

    private static let framing = [
        `case`("Transfer-Encoding with Content-Length", post("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n")),
        `case`("Content-Length with Transfer-Encoding", post("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        `case`("differing Content-Length", post("Content-Length: 3\r\nContent-Length: 4", "abcd")),
        `case`("repeated Content-Length", post("Content-Length: 3\r\nContent-Length: 3", "abc")),
        `case`("Content-Length +5", post("Content-Length: +5", "abcde")),
        `case`("Content-Length -1", post("Content-Length: -1", "")),
        `case`("Content-Length 5, 5", post("Content-Length: 5, 5", "abcde")),
        `case`("Content-Length 0x5", post("Content-Length: 0x5", "abcde")),
        `case`("an empty Content-Length", post("Content-Length: ", "abcde")),
        `case`("an overflowing Content-Length", post("Content-Length: 18446744073709551617", "a")),
        `case`("an unknown transfer coding", post("Transfer-Encoding: gzip", "a")),
        `case`("gzip before chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
        `case`("chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        `case`("chunked in quotes", post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n")),
        `case`("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        `case`("a chunk size that is no number", post("Transfer-Encoding: chunked", "g\r\n")),
        `case`("a chunk size with a sign", post("Transfer-Encoding: chunked", "+3\r\nabc\r\n0\r\n\r\n")),
        `case`("an overflowing chunk size", post("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFF1\r\n")),
        `case`("a chunk size without its line feed", post("Transfer-Encoding: chunked", "3\rabc")),
        `case`("a chunk line that ends in a bare line feed", post("Transfer-Encoding: chunked", "3\nabc\r\n0\r\n\r\n")),
        `case`("chunk data longer than its size", post("Transfer-Encoding: chunked", "3\r\nabcd\r\n0\r\n\r\n")),
        `case`("a chunk extension with a bare line feed", post("Transfer-Encoding: chunked", "3;a=\nb\r\nabc\r\n0\r\n\r\n")),
        `case`("a trailer with a bare line feed", post("Transfer-Encoding: chunked", "0\r\nX: a\nY: b\r\n\r\n")),
    ]

    private static let fields = [
        `case`("a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        `case`("a folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
        `case`("a field that begins with a space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        `case`("a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
        `case`("a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"),
        `case`("a name that is no token", "GET / HTTP/1.1\r\nHost: a\r\nX(Y): b\r\n\r\n"),
        `case`("a bare carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"),
        `case`("a bare line feed in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n"),
        `case`("a NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"),
        `case`("a NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"),
        `case`("an empty line of a bare line feed", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        `case`("no Host", "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
        `case`("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        `case`("an empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n"),
        `case`("a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        `case`("a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        `case`("a Host with a port that is none", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    ]

    private static let lines = [
        `case`("an unknown version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        `case`("version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        `case`("a lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n"),
        `case`("no version", "GET /\r\nHost: a\r\n\r\n"),
        `case`("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        `case`("a request line that ends in a bare line feed", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        `case`("a method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a control character in the target", "GET /a\u{1}b HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a target of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a dot segment", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("an encoded dot segment", "GET /a/%2e%2E HTTP/1.1\r\nHost: a\r\n\r\n"),
        `case`("a TLS hello", "\u{16}\u{3}\u{1}\u{0}\r\n\r\n"),
    ]

    private static func post(_ fields: String, _ body: String) -> String {
        "POST /x HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }
}
