public import Faults
public import JSON
public import Routing

/// The body of `POST /v1/feedback`: one event, or an array of them. Each is read on its own, so that a mistake in one does
/// not lose the others.
///
///     {"request_id": "...", "metric": "correct", "value": true}
///     {"route": "fraud", "unit": "user-1", "metric": "paid", "value": 12.5, "idempotency_key": "order-7"}
///     {"route": "fraud", "unit": "user-1", "session": "s-9", "metric": "solved", "value": true}
///     {"route": "fraud", "unit": "user-1", "per": "unit", "metric": "kept", "value": false, "replace": true}
public struct FeedbackDocument: Sendable {
    /// What became of one item: an event, or why it is none.
    enum Item: Sendable {
        case event(OutcomeStore.Feedback)
        case refused(Fault)
    }
    let items: [Item]

    /// What can be fed, in order.
    public var events: [OutcomeStore.Feedback] {
        items.compactMap { if case .event(let event) = $0 { event } else { nil } }
    }
    /// The fault of the only item, when there is one item and it cannot be used: then the whole request is refused.
    public var refusal: Fault? { if items.count == 1, case .refused(let fault) = items[0] { fault } else { nil } }

    /// `route` resolves the name of a route. Throws only where nothing of the body can be read.
    public init(_ json: JSONValue, route: (String) -> RouteID?) throws(Fault) {
        guard json.arrayValue != nil || json.objectValue != nil else {
            throw FeedbackDocument.unusable("it is neither an object nor an array of objects")
        }
        let list = json.arrayValue ?? [json]
        guard (1...OutcomeStore.feedbackEventsMax).contains(list.count) else {
            throw Fault(
                list.isEmpty ? .usage : .limitReached, what: "The feedback cannot be taken.",
                why: "It has \(list.count) events; one request takes 1 to \(OutcomeStore.feedbackEventsMax).",
                fix: list.isEmpty ? "Send at least one event." : "Send it in parts.")
        }
        items = list.map { FeedbackDocument.item($0, route: route) }
    }

    /// `{"accepted","results":["joined",...]}`, and `"errors":[{"index","what","why","fix"}]` where some could not be used.
    /// `accepted` counts what is kept now, by this request or, for duplicates, by an earlier one, or waits for its answer's end.
    public func answer(_ results: [OutcomeStore.FeedbackResult]) -> JSONValue {
        var rest = results[...]
        var accepted: Int64 = 0
        var (words, errors): ([JSONValue], [JSONValue]) = ([], [])
        for (index, item) in items.enumerated() {
            switch item {
            case .event:
                let result = rest.popFirst() ?? .unknownExposure
                if [.joined, .duplicate, .replaced, .waiting].contains(result) { accepted += 1 }
                words.append(.string(result.rawValue))
            case .refused(let fault):
                words.append("refused")
                errors.append(
                    [
                        "index": .integer(Int64(index)), "what": .string(fault.what), "why": .string(fault.why),
                        "fix": .string(fault.fix),
                    ])
            }
        }
        var answer: [String: JSONValue] = ["accepted": .integer(accepted), "results": .array(words)]
        if !errors.isEmpty { answer["errors"] = .array(errors) }
        return .object(answer)
    }

    private static let keys = [
        "request_id", "route", "unit", "session", "per", "metric", "value", "idempotency_key", "replace",
    ]

    private static func item(_ json: JSONValue, route: (String) -> RouteID?) -> Item {
        do throws(Fault) {
            guard let object = json.objectValue else { throw unusable("the event is not an object") }
            if let unknown = object.keys.sorted().first(where: { !keys.contains($0) }) {
                let closest = Suggestion.closest(to: unknown, among: keys).map { "; did you mean \($0)?" } ?? ""
                throw unusable("'\(unknown)' is not part of an event\(closest)")
            }
            return .event(
                OutcomeStore.Feedback(
                    target: try target(json, route: route), metric: try text(json["metric"], "metric", bytesMax: 64),
                    value: try value(json["value"]),
                    idempotencyKey: try json["idempotency_key"].map { json throws(Fault) in
                        try text(json, "idempotency_key", bytesMax: 256)
                    }, per: try grain(json), replaces: try flag(json["replace"], "replace")))
        } catch {
            return .refused(error)
        }
    }

    private static func target(_ json: JSONValue, route: (String) -> RouteID?) throws(Fault) -> OutcomeStore.Feedback.Target {
        switch (json["request_id"], json["route"], json["unit"]) {
        case (let id?, nil, nil):
            let text = try text(id, "request_id", bytesMax: 64)
            guard let id = RequestID(text) else {
                throw unusable("'\(text)' is not a request id: it is the X-OpenClaw-Request-Id of an answer, 32 hex digits")
            }
            return .request(id)
        case (nil, let name?, let unit?):
            let name = try text(name, "route", bytesMax: 64)
            guard let id = route(name) else {
                throw Fault(
                    .notFound, what: "The feedback cannot be used.", why: "There is no route '\(name)'.",
                    fix: "openclaw route list shows the routes.")
            }
            return .unit(id, UnitID(try text(unit, "unit", bytesMax: 1_024)).hash)
        default: throw unusable("an event has `request_id`, or `route` and `unit`")
        }
    }

    /// A unit may have many values of a metric, one per session, or one alone.
    private static func grain(_ json: JSONValue) throws(Fault) -> OutcomeStore.Feedback.Grain {
        guard json["session"] != nil || json["per"] != nil else { return .event }
        guard json["unit"] != nil else { throw unusable("`session` and `per` belong to `unit`: a request has one value anyway") }
        switch (json["session"], json["per"]) {
        case (let session?, nil): return .session(try text(session, "session", bytesMax: 256))
        case (nil, "unit"?): return .unit
        case (nil, "event"?): return .event
        default: throw unusable("`per` is \"unit\" or \"event\", and not beside `session`")
        }
    }

    private static func flag(_ json: JSONValue?, _ name: String) throws(Fault) -> Bool {
        guard let json else { return false }
        guard let flag = json.boolValue else { throw unusable("`\(name)` is neither true nor false") }
        return flag
    }

    private static func text(_ json: JSONValue?, _ name: String, bytesMax: Int) throws(Fault) -> String {
        guard let text = json?.stringValue, (1...bytesMax).contains(text.utf8.count) else {
            throw unusable("`\(name)` is not a text of 1 to \(bytesMax) bytes")
        }
        return text
    }

    private static func value(_ json: JSONValue?) throws(Fault) -> Double {
        if let value = json?.boolValue { return value ? 1 : 0 }
        guard let value = json?.numberValue, value.isFinite else { throw unusable("`value` is not a number, true or false") }
        return value
    }

    private static func unusable(_ why: String) -> Fault {
        Fault(
            .usage, what: "The feedback cannot be used.", why: why.prefix(1).uppercased() + why.dropFirst() + ".",
            fix: "Send {\"request_id\": the X-OpenClaw-Request-Id of the answer, \"metric\": \"correct\", \"value\": true}.")
    }
}
