import Faults
import HTTP
import JSON
import Testing

@testable import ControlPlane

struct FeedbackDoorTests {
    private func feedback(_ secret: String?) -> HTTPRequest {
        let event = #"{"route":"fraud","unit":"u","metric":"correct","value":true}"#
        let headers = secret.map { [("Authorization", "Bearer \($0)")] } ?? []
        return HTTPRequest(method: "POST", path: "/v1/feedback", headers: HTTPHeaders(headers), body: Array(event.utf8))
    }

    @Test func `beyond loopback feedback takes a token that is made for it`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        let made = try await house.call("POST", "/api/v1/tokens", ["name": "app", "scopes": ["feedback"]])
        let reader = try await house.call("POST", "/api/v1/tokens", ["name": "viewer", "scopes": ["read"]])
        #expect(await FeedbackDoor.answer(feedback(nil), isOpen: false, of: house.daemon).status == 401)
        #expect(await FeedbackDoor.answer(feedback("oc_guess"), isOpen: false, of: house.daemon).status == 401)
        let viewer = reader.json["secret"]?.stringValue
        #expect(await FeedbackDoor.answer(feedback(viewer), isOpen: false, of: house.daemon).status == 403)
        let app = made.json["secret"]?.stringValue
        #expect(await FeedbackDoor.answer(feedback(app), isOpen: false, of: house.daemon).status == 200)
        #expect(await FeedbackDoor.answer(feedback(nil), isOpen: true, of: house.daemon).status == 200)
    }

    @Test func `a page of elsewhere cannot make a browser send feedback, unless its origin is allowed`() async throws {
        let house = try await DaemonHouse(allowing: ["https://app.example.com"])
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        let event = #"{"route":"fraud","unit":"u","metric":"correct","value":true}"#
        let own = house.gateway.dropFirst("http://".count)
        let evaluation = "/ofrep/v1/evaluate/flags"
        for (origin, status) in [
            ("https://evil.example", 403), ("null", 403), ("http://evil.example:7700", 403), ("https://\(own)", 403),
            ("http://\(own)", 200), ("https://app.example.com", 200),
        ] {
            let answer = try await house.send("POST", house.gateway + "/v1/feedback", headers: [("Origin", origin)], body: event)
            #expect(answer.status == status, "\(origin)")
            #expect(answer.headers["Access-Control-Allow-Origin"] == (status == 200 ? origin : nil))
            let asked = try await house.send(
                "POST", house.gateway + evaluation, headers: [("Origin", origin)], body: #"{"context":{"targetingKey":"u"}}"#)
            #expect(asked.status == status, "\(origin)")
            let before = try await house.send("OPTIONS", house.gateway + "/v1/feedback", headers: [("Origin", origin)])
            #expect(before.status == (status == 200 ? 204 : 403), "\(origin)")
        }
        // A name that was re-pointed at this machine is not this machine's own.
        let rebound = try await house.send(
            "POST", house.gateway + "/v1/feedback", headers: [("Origin", "http://evil.example"), ("Host", "evil.example")],
            body: event)
        #expect(rebound.status == 403)
        #expect(try await house.send("POST", house.gateway + "/v1/feedback", body: event).status == 200)
    }

    @Test func `feedback of nobody who was answered is told so, and a mistake is refused with the way out`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        let feed = { (body: String) in try await house.send("POST", house.gateway + "/v1/feedback", body: body) }
        let unknown = try await feed(#"{"route":"fraud","unit":"u","metric":"m","value":1}"#)
        #expect(try JSONValue(parsing: unknown.body)["results"] == ["unknown_exposure"])
        #expect(try await feed(#"{"route":"frod","unit":"u","metric":"m","value":1}"#).status == 404)
        #expect(try await feed("{").status == 400)
    }
}
