import Faults
import JSON
import Outcomes
import Routing
import Testing

struct FeedbackDocumentTests {
    static func read(_ json: JSONValue) throws -> FeedbackDocument {
        try FeedbackDocument(json) { $0 == "fraud" ? RouteID(4) : nil }
    }
    static let id = "123456789a00000000bc000000000def"

    @Test func `one event, by request or by route and unit`() throws {
        let one = try FeedbackDocumentTests.read([
            "request_id": .string(FeedbackDocumentTests.id), "metric": "correct", "value": true,
        ])
        let target = OutcomeStore.Feedback.Target.request(try #require(RequestID(FeedbackDocumentTests.id)))
        #expect(one.events == [.init(target: target, metric: "correct", value: 1, idempotencyKey: nil)] && one.refusal == nil)
        #expect(one.answer([.joined]) == ["accepted": 1, "results": ["joined"]])
        let two = try FeedbackDocumentTests.read(
            ["route": "fraud", "unit": "user-1", "metric": "paid", "value": 12.5, "idempotency_key": "order-7"])
        #expect(
            two.events
                == [
                    .init(
                        target: .unit(RouteID(4), UnitID("user-1").hash), metric: "paid", value: 12.5, idempotencyKey: "order-7")
                ])
    }

    @Test func `a mistake in one event does not lose the others`() throws {
        let good: JSONValue = ["request_id": .string(FeedbackDocumentTests.id), "metric": "m", "value": 0]
        let document = try FeedbackDocumentTests.read([good, ["metric": "m", "value": 1], good, 7])
        #expect(document.events.count == 2 && document.refusal == nil)
        let answer = document.answer([.joined, .duplicate])
        #expect(answer["results"] == ["joined", "refused", "duplicate", "refused"] && answer["accepted"] == 2)
        #expect(answer["errors"]?.arrayValue?.map { $0["index"] } == [1, 3])
        #expect(answer["errors"]?[0]?["why"]?.stringValue?.contains("request_id") == true)
    }

    static let wrong: [(JSONValue, String)] = [
        (["request_id": "x", "metric": "m", "value": 1], "32 hex digits"),
        (["request_id": .string(id), "route": "fraud", "unit": "u", "metric": "m", "value": 1], "route"),
        (["route": "fraud", "metric": "m", "value": 1], "unit"),
        (["route": "fruad", "unit": "u", "metric": "m", "value": 1], "no route 'fruad'"),
        (["request_id": .string(id), "value": 1], "metric"),
        (["request_id": .string(id), "metric": "", "value": 1], "metric"),
        (["request_id": .string(id), "metric": "m"], "value"),
        (["request_id": .string(id), "metric": "m", "value": "1"], "value"),
        (["request_id": .string(id), "metric": "m", "value": nil], "value"),
        (["request_id": .string(id), "metric": "m", "value": 1, "idempotencykey": "a"], "did you mean idempotency_key"),
        (["request_id": .string(id), "metric": "m", "value": 1, "idempotency_key": 5], "idempotency_key"),
        (["request_id": .string(id), "metric": .string(String(repeating: "m", count: 65)), "value": 1], "metric"),
    ]

    @Test(arguments: wrong.indices)
    func `what is no event is refused with the reason`(index: Int) throws {
        let (json, why) = FeedbackDocumentTests.wrong[index]
        let document = try FeedbackDocumentTests.read(json)
        #expect(document.events.isEmpty)
        let fault = try #require(document.refusal)
        #expect(fault.why.contains(why), "\(fault)")
    }

    @Test func `what is no list of events at all is a fault`() {
        #expect(throws: Fault.self) { try FeedbackDocumentTests.read("text") }
        #expect(throws: Fault.self) { try FeedbackDocumentTests.read([]) }
        #expect(throws: Fault.self) { try FeedbackDocumentTests.read(.array(Array(repeating: [:], count: 10_001))) }
    }
}
