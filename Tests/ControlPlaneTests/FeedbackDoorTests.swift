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
