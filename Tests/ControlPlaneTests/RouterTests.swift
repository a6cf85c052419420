import Faults
import JSON
import Testing

@testable import ControlPlane

struct RouterTests {
    private let router = Router(
        [
            (.get, "/api/v1/releases"), (.get, "/api/v1/releases/{name}"), (.post, "/api/v1/releases/plan"),
            (.post, "/api/v1/releases/{name}/pause"),
        ].map { (method: Endpoint.Method, path: String) in
            Endpoint(method, path, .open, "", gives: .any("")) { _ in .json(.null) }
        })

    @Test func `a segment in braces matches one segment and names it`() {
        guard case .found(let endpoint, let parameters) = router.match(method: "GET", path: "/api/v1/releases/fraud-model-v12")
        else {
            Issue.record("not found")
            return
        }
        #expect(endpoint.path == "/api/v1/releases/{name}")
        #expect(parameters == ["name": "fraud-model-v12"])
    }

    @Test func `a literal segment goes before one in braces`() {
        guard case .found(let endpoint, _) = router.match(method: "POST", path: "/api/v1/releases/plan") else {
            Issue.record("not found")
            return
        }
        #expect(endpoint.path == "/api/v1/releases/plan")
    }

    @Test func `a known path with another method says which methods it takes`() {
        guard case .wrongMethod(let allowed) = router.match(method: "DELETE", path: "/api/v1/releases/x/pause") else {
            Issue.record("not refused")
            return
        }
        #expect(allowed == ["POST"])
    }

    @Test func `a mistyped path is answered with the closest one, in the caller's own words`() {
        guard case .unknown(let closest) = router.match(method: "POST", path: "/api/v1/releases/x/pauze") else {
            Issue.record("found")
            return
        }
        #expect(closest == "/api/v1/releases/x/pause")
    }

    @Test func `an endless path costs nothing to refuse`() {
        let path = String(repeating: "/x", count: 8_000)
        guard case .unknown(let closest) = router.match(method: "GET", path: path) else {
            Issue.record("found")
            return
        }
        #expect(closest == nil)
    }
}

struct SchemaTests {
    private let schema = Schema.object(
        ["name": .string("a"), "scopes": .array(of: .oneOf(["read", "admin"], "b"))],
        optional: ["limit": Schema.integer("c").orNull])

    @Test func `a value of the declared shape has no mismatch`() {
        #expect(schema.mismatch(["name": "x", "scopes": ["read"]]) == nil)
        #expect(schema.mismatch(["name": "x", "scopes": [], "limit": nil]) == nil)
        #expect(schema.mismatch(["name": "x", "scopes": [], "limit": 3]) == nil)
    }

    @Test(
        arguments: [
            ([:], "the body lacks `name`"), (["name": 3, "scopes": []], "`name` must be a string"),
            (["name": "x", "scopes": ["root"]], "`scopes[0]` must be one of read, admin"),
            (["name": "x", "scopes": [], "limt": 3], "the body has a member that is not known: `limt`"),
            (["name": "x", "scopes": [], "limit": 1.5], "`limit` must be a whole number"), (nil, "the body must be an object"),
        ] as [(JSONValue, String)])
    func `a mismatch says where and what`(value: JSONValue, complaint: String) {
        #expect(schema.mismatch(value) == complaint)
    }
}

struct OpenAPITests {
    private let document = OpenAPI.document(for: AllEndpoints.list, version: "1")

    @Test func `every endpoint is described, with its parameters and the scope it needs`() throws {
        for endpoint in AllEndpoints.list {
            let operation = try #require(document["paths"]?[endpoint.path]?[endpoint.method.rawValue.lowercased()])
            let named = (operation["parameters"]?.arrayValue ?? []).filter { $0["in"] == "path" }.compactMap {
                $0["name"]?.stringValue
            }
            #expect(named == endpoint.parameters)
            #expect((operation["requestBody"] != nil) == (endpoint.takes != nil))
            if case .scope(let scope) = endpoint.access { #expect(operation["security"] == [["token": [.string(scope.rawValue)]]]) }
        }
    }

    @Test func `operations have names of their own`() {
        let names = AllEndpoints.list.compactMap {
            document["paths"]?[$0.path]?[$0.method.rawValue.lowercased()]?["operationId"]?.stringValue
        }
        #expect(Set(names).count == AllEndpoints.list.count)
    }
}
