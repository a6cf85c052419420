import Faults
import Glibc
import HTTP
import JSON
import Ledger
import TestFolders
import Testing

@testable import ControlPlane

struct ControlServerTests {
    @Test func `a fresh home gets an admin token that only its owner can read, and it opens the API`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        var status = stat()
        #expect(unsafe stat("\(house.home)/admin.token", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(unsafe stat(house.home, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        #expect(try house.adminToken.count == 3 + 64)
        #expect(try await house.call("GET", "/api/v1/status").status == 200)
    }

    @Test func `a first token that could be guessed opens nothing, and a new one is made when it is removed`() async throws {
        let folder = TemporaryFolder()
        #expect(unsafe mkdir(folder.path + "/home", 0o700) == 0)
        folder.write("admin\n", to: "home/admin.token")
        let house = try await DaemonHouse(in: folder)
        defer { Task { await house.daemon.drain() } }
        let refused = try await house.call("GET", "/api/v1/status", token: "admin")
        #expect(refused.status == 503 && refused.json["error"]?["why"]?.stringValue?.contains("could be guessed") == true)
        #expect(unsafe unlink("\(house.home)/admin.token") == 0)
        #expect(await house.daemon.whenOpen())
        #expect(try house.adminToken.count == 3 + 64)
        #expect(try await house.call("GET", "/api/v1/status", token: "admin").status == 401)
        #expect(try await house.call("GET", "/api/v1/status").status == 200)
    }

    @Test func `without a token nothing but health, readiness, metrics and the description answers`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        for endpoint in AllEndpoints.list {
            let path = endpoint.path.replacing("{name}", with: "x").replacing("{version}", with: "x@y")
            if case .events = endpoint.gives, case .open = endpoint.access { continue }
            let answer = try await house.call(endpoint.method.rawValue, path, nil, token: nil)
            if case .scope = endpoint.access {
                #expect(answer.status == 401, "\(endpoint.path)")
                #expect(answer.json["error"]?["what"]?.stringValue == "The request carries no token.")
            } else {
                #expect(answer.status == 200, "\(endpoint.path)")
            }
        }
    }

    @Test func `a token opens what its scopes name and nothing else, until it is revoked`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let made = try await house.call("POST", "/api/v1/tokens", ["name": "viewer", "scopes": ["read"]])
        let secret = try #require(made.json["secret"]?.stringValue)
        #expect(try await house.call("GET", "/api/v1/routes", token: secret).status == 200)
        #expect(try await house.apply(DaemonHouse.route, token: secret).status == 403)
        #expect(try await house.call("GET", "/api/v1/tokens", token: secret).status == 403)
        #expect(try await house.call("POST", "/api/v1/feedback", [:], token: secret).status == 403)
        #expect(try await house.call("DELETE", "/api/v1/tokens/viewer").status == 200)
        #expect(try await house.call("GET", "/api/v1/routes", token: secret).status == 401)
        let list = try await house.call("GET", "/api/v1/tokens")
        #expect(!list.json.canonicalText.contains(secret))
        #expect(list.json["tokens"]?.arrayValue?.count == 2)
    }

    @Test func `tokens outlive the daemon, and no secret is in the ledger`() async throws {
        let first = try await DaemonHouse()
        let made = try await first.call("POST", "/api/v1/tokens", ["name": "ci", "scopes": ["operate"]])
        let secret = try #require(made.json["secret"]?.stringValue)
        let admin = try first.adminToken
        await first.daemon.drain()
        let second = try await DaemonHouse(after: first)
        defer { Task { await second.daemon.drain() } }
        #expect(try second.adminToken == admin)
        #expect(try await second.call("GET", "/api/v1/routes", token: secret).status == 200)
        for entry in try await second.daemon.services().ledger.reader.entries(kind: "token") {
            #expect(!entry.json.canonicalText.contains(secret) && !entry.json.canonicalText.contains(admin))
        }
    }

    @Test(arguments: [("Host", "evil.example"), ("Origin", "http://evil.example")])
    func `a page of another origin gets nowhere, even with a token`(name: String, value: String) async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let answer = try await house.call("GET", "/api/v1/status", headers: [(name, value)])
        #expect(answer.status == 403)
        #expect(answer.json["error"]?["why"]?.stringValue?.contains("evil.example") == true)
    }

    @Test func `unknown paths and methods are refused with the way out`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let unknown = try await house.call("GET", "/api/v1/rotes")
        #expect(unknown.status == 404)
        #expect(unknown.json["error"]?["fix"]?.stringValue?.contains("/api/v1/routes") == true)
        let wrong = try await house.send("DELETE", house.control + "/api/v1/routes")
        #expect(wrong.status == 405)
        #expect(wrong.headers["Allow"] == "GET")
    }

    @Test func `a body that is not what an endpoint takes is refused, and changes nothing`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let token = try house.adminToken
        let headers = [("Authorization", "Bearer \(token)")]
        for (body, complaint) in [
            ("{", ""), ("[]", "must be an object"), (#"{"name":"x"}"#, "lacks `scopes`"),
            (#"{"name":"x","scopes":["root"]}"#, "one of"),
        ] {
            let answer = try await house.send("POST", house.control + "/api/v1/tokens", headers: headers, body: body)
            #expect(answer.status == 400)
            let json = try JSONValue(parsing: answer.body)
            #expect(json["error"]?["why"]?.stringValue?.contains(complaint) == true)
            #expect(json["error"]?["fix"]?.stringValue?.isEmpty == false)
        }
        let long = String(repeating: " ", count: ControlServer.bodyBytesMax + 1)
        #expect(try await house.send("POST", house.control + "/api/v1/tokens", headers: headers, body: long).status == 413)
        #expect(try await house.call("GET", "/api/v1/tokens").json["tokens"]?.arrayValue?.count == 1)
    }

    @Test func `answers have the shape that the description says`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(
            try await house.apply(
                DaemonHouse.route
                    + "\n---\nmodel:\n  name: fraud-model\n  versions: { v11: { url: \"http://127.0.0.1:9001/infer\" } }\n---\nprompt:\n  name: support\n  versions: { v1: { system: \"Be kind.\" } }\n"
            ).status == 200)
        for endpoint in AllEndpoints.list where endpoint.method == .get {
            guard case .json(let schema) = endpoint.gives else { continue }
            let names = ["routes": "fraud", "models": "fraud-model", "prompts": "support", "versions": "fraud-model@v11"]
            let noun = endpoint.segments.dropFirst(2).first.map(String.init) ?? ""
            guard endpoint.parameters.isEmpty || names[noun] != nil else { continue }
            let path = endpoint.path.replacing("{name}", with: names[noun] ?? "").replacing("{version}", with: names[noun] ?? "")
            let answer = try await house.call("GET", path + (path.hasSuffix("explain") ? "?unit=u" : ""))
            #expect(answer.status == 200, "\(path): \(answer.json.canonicalText)")
            #expect(schema.mismatch(answer.json) == nil, "\(path)")
        }
    }
}
