import Routing
import Testing

struct UpstreamURLTests {
    @Test func `a url is taken apart`() throws {
        let url = try UpstreamURL("http://127.0.0.1:9001/v2/models/m/infer")
        #expect((url.host, url.port, url.path) == ("127.0.0.1", 9001, "/v2/models/m/infer"))
        let six = try UpstreamURL("http://[::1]:80")
        #expect((six.host, six.port, six.path) == ("::1", 80, "/"))
        #expect(try UpstreamURL("http://model/").port == 80)
        let secure = try UpstreamURL("https://api.openai.com/v1")
        #expect((secure.isSecure, secure.port, secure.hostField) == (true, 443, "api.openai.com"))
        #expect(secure.authority == "api.openai.com:443" && !six.isSecure && six.hostField == "[::1]")
        #expect(try UpstreamURL("https://[::1]:8443/").hostField == "[::1]:8443")
    }

    @Test(arguments: [
        ("https:/a/", UpstreamURL.Refusal.notHTTP), ("ftp://a/", .notHTTP), ("a:80/", .notHTTP), ("http://u:p@a/", .userInfo),
        ("http://a/?x", .queryOrFragment), ("http://a#x", .queryOrFragment), ("http:///x", .badHost), ("http://a b/", .badHost),
        ("http://[zz]/", .badHost), ("http://[::1/", .badHost), ("http://a:0/", .badPort), ("http://a:65536/", .badPort),
        ("http://a:+5/", .badPort), ("http://a:/", .badPort), ("http://a/ x", .badPath), ("http://a/\r\nX: y", .badPath),
    ])
    func `what cannot be sent to is refused, with the reason`(text: String, refusal: UpstreamURL.Refusal) {
        #expect(throws: refusal) { try UpstreamURL(text) }
    }

    @Test(arguments: ["header:X-User-Id", "cookie:sid", "json:/user/id", "json:/a~1b", "client"])
    func `a unit source reads back as it is written`(text: String) {
        #expect(UnitSource(text)?.text == text)
    }

    @Test(arguments: ["", "header:", "header:a b", "json:user", "json:/a~2", "json:", "cookie:a;b", "Client", "ip", "header"])
    func `what is no unit source is refused`(text: String) { #expect(UnitSource(text) == nil) }

    @Test func `shares read as a person writes them`() {
        #expect(
            [0, 1, 50, 100, 1_250, 1_205, 10_000].map(Share.text) == [
                "0 %", "0.01 %", "0.5 %", "1 %", "12.5 %", "12.05 %", "100 %",
            ])
    }
}
