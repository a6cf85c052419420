import Faults
import JSON
import Routing
import Testing
import YAML

/// Reads the one `route:` of a document.
func spec(_ text: String) throws -> RouteSpec {
    let document = try #require(try YAMLNode.documents(in: text, file: "route.yaml").first)
    return try RouteSpec(try document.mapping("a file").required("route"))
}

func fault(reading text: String) -> Fault? {
    do {
        _ = try spec(text)
        return nil
    } catch { return error as? Fault }
}

struct RouteSpecTests {
    @Test func `the route of the handbook is read as it stands`() throws {
        let route = try spec(
            """
            route:
              name: fraud
              match: { path: "/fraud" }              # the rest of the path is appended to the variant's url
              unit: "header:X-User-Id"
              variants:
                v11: { url: "http://127.0.0.1:9001/v2/models/fraud-model/infer", share: 90% }
                v12: { url: "http://127.0.0.1:9002/v2/models/fraud-model/infer", share: 10%, rewrite: { json: { "/model": "fraud-v12" } } }
            """)
        #expect(route.name == "fraud" && route.match == RouteMatch(path: "/fraud") && route.unit == .header("X-User-Id"))
        #expect(route.variants.map(\.name) == ["v11", "v12"] && route.variants.map(\.basisPoints) == [9_000, 1_000])
        #expect(route.variants[1].rewrite?.json == ["/model": "fraud-v12"])
        #expect(route.timeouts == RouteTimeouts())
    }

    @Test func `hosts, timeouts, versions and headers are read`() throws {
        let route = try spec(
            """
            route:
              name: chat.eu
              match: { host: API.example.com, path: /v1/ }
              unit: json:/user/id
              timeouts: { connect: 500ms, first_byte: 2m, idle: 1h }
              variants:
                a: { version: support@v3, rewrite: { headers: { X-Model: "a b" }, json: { /temperature: 0.5, /stop: [x] } } }
            """)
        #expect(route.match == RouteMatch(host: "api.example.com", path: "/v1"))
        #expect(route.timeouts.connect == 500 && route.timeouts.firstByte == 120_000 && route.timeouts.idle == 3_600_000)
        #expect(route.variants[0].version == "support@v3" && route.variants[0].basisPoints == 10_000)
        #expect(route.variants[0].rewrite == Rewrite(json: ["/temperature": 0.5, "/stop": ["x"]], headers: ["X-Model": "a b"]))
    }

    static let wrong: [(change: (String, String), line: Int, what: String)] = [
        (("name: r", "nmae: r"), 2, "nmae"),
        (("name: r", "name: a/b"), 2, "a/b"),
        (("path: /r", "path: r"), 3, "'r'"),
        (("path: /r", "path: /r?x=1"), 3, "/r?x=1"),
        (("path: /r", "path: /a/../b"), 3, "/a/../b"),
        (("path: /r", "paht: /r"), 3, "paht"),
        (("unit: client", "unit: ip"), 4, "ip"),
        (("80%", "70%"), 6, "90 %"),
        (("80%", "80"), 6, "80"),
        (("80%", "80.001%"), 6, "80.001%"),
        (("80%", "-1%"), 6, "-1%"),
        ((", share: 80%", ""), 6, "share"),
        (("http://a:1/", "ftp://a:1/"), 6, "ftp"),
        (("share: 20%", "share: 20%, ca_file: /ca.pem"), 7, "https"),
        (("http://b:1/\"", "https://b:1/\", ca_file: ca.pem"), 7, "ca.pem"),
        (("http://a:1/", "http://u:p@a:1/"), 6, "u:p@a"),
        (("http://a:1/", "a:1"), 6, "a:1"),
        (("url: \"http://a:1/\"", "version: v12"), 6, "v12"),
        (("url: \"http://a:1/\"", "url: \"http://a:1/\", version: m@v12"), 6, "one of them"),
        (("share: 20%", "share: 20%, rewrite: { json: { model: x } }"), 7, "model"),
        (("share: 20%", "share: 20%, rewrite: { headers: { Host: x } }"), 7, "Host"),
        (("share: 20%", "share: 20%, rewrite: { headers: { X: \"a\\r\\nB: c\" } }"), 7, "header value"),
        (("share: 20%", "share: 20%, weight: 1"), 7, "weight"),
        (("timeouts: { idle: 1m }", "timeouts: { idle: 0s }"), 8, "0 ms"),
    ]

    @Test(arguments: wrong.indices)
    func `what a route cannot be is refused at its line`(index: Int) throws {
        let good = """
            route:
              name: r
              match: { path: /r }
              unit: client
              variants:
                a: { url: "http://a:1/", share: 80% }
                b: { url: "http://b:1/", share: 20% }
              timeouts: { idle: 1m }
            """
        #expect(fault(reading: good) == nil)
        let wrong = RouteSpecTests.wrong[index]
        let range = try #require(good.firstRange(of: wrong.change.0))
        let text = good.replacingCharacters(in: range, with: wrong.change.1)
        let refused = try #require(fault(reading: text))
        #expect(refused.kind == .badConfiguration)
        #expect(refused.what.contains(wrong.what), "\(refused)")
        #expect(refused.why.contains("route.yaml line \(wrong.line)"), "\(refused)")
        #expect(!refused.fix.isEmpty)
    }

    @Test func `a route has 1 to 64 variants`() throws {
        let head = "route:\n  name: r\n  match: { path: / }\n  unit: client\n  variants:"
        func text(_ count: Int) -> String {
            (0..<count).reduce(head) { text, n in text + "\n    v\(n): { url: \"http://a:1/\", share: \(n == 0 ? 100 : 0)% }" }
        }
        #expect(try spec(text(64)).variants.count == 64)
        #expect(fault(reading: text(65))?.what.contains("65") == true)
        #expect(fault(reading: head + " {}") != nil)
    }
}

extension String {
    func firstRange(of part: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(part) { return start..<index(start, offsetBy: part.count) }
            start = index(after: start)
        }
        return nil
    }
    func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}
