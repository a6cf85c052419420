import Faults
import HTTP
import JSON
import Outcomes
import Routing
import Sockets
import Telemetry

/// One feedback event as a client sends it.
struct FeedbackEvent {
    static let schema = Schema.object(
        ["metric": .string("What was measured"), "value": .either(.number("How much"), .boolean("True counts 1, false 0"))],
        optional: [
            "request_id": .string("X-OpenClaw-Request-Id of the answer; or name `route` and `unit`"),
            "route": .string("The route's name"), "unit": .string("The unit, as the route's requests name it"),
            "idempotency_key": .string("The same key counts once"),
        ])

    /// Resolves what it is about.
    static func read(_ json: JSONValue, routes: RouteService) async throws(Fault) -> OutcomeStore.Feedback {
        let metric = json["metric"]?.stringValue ?? ""
        let value = json["value"]?.numberValue ?? (json["value"] == true ? 1 : 0)
        guard !metric.isEmpty, metric.utf8.count <= 128, value.isFinite else {
            throw unusable("its metric must have 1 to 128 bytes and its value be finite")
        }
        return .init(
            target: try await target(json, routes), metric: metric, value: value,
            idempotencyKey: json["idempotency_key"]?.stringValue)
    }

    private static func target(_ json: JSONValue, _ routes: RouteService) async throws(Fault) -> OutcomeStore.Feedback.Target {
        switch (json["request_id"]?.stringValue, json["route"]?.stringValue, json["unit"]?.stringValue) {
        case (let text?, nil, nil):
            guard let id = RequestID(text) else { throw unusable("'\(text)' is not a request id") }
            return .request(id)
        case (nil, let route?, let unit?):
            return .unit(try await TrafficRoutes.found(route, in: routes).id, UnitID(unit).hash)
        default: throw unusable("it must name `request_id`, or `route` and `unit`")
        }
    }

    private static func unusable(_ why: String) -> Fault {
        Fault(
            .usage, what: "The feedback cannot be used.", why: "In one event, \(why).",
            fix: "Send {\"request_id\": the X-OpenClaw-Request-Id of the answer, \"metric\": ..., \"value\": ...}.")
    }
}

/// Where feedback comes in: on the gateway beside live traffic, and on the control API.
enum FeedbackDoor {
    static let eventsMax = 1_000

    static let answer = Schema.object([
        "results": .array(of: .oneOf(["joined", "duplicate", "unknown_exposure", "too_late"], "What became of an event, in order"))
    ])

    /// The gateway's `POST /v1/feedback`. On loopback it is as open as live traffic is; beyond, it needs a `feedback` token.
    static func answer(_ request: HTTPRequest, of daemon: Daemon?) async -> HTTPResponse {
        do throws(Fault) {
            guard let daemon else {
                throw Fault(.unavailable, what: "The daemon is stopping.", why: "It was asked to.", fix: "Try again.")
            }
            let services = try daemon.services()
            if !daemon.settings.gateway.isLoopback {
                let secret = try Doorkeeper(bound: daemon.settings.gateway).bearer(request)
                _ = try Doorkeeper.check(await services.tokens.caller(presenting: secret), may: .feedback)
            }
            let body = try JSONValue(parsing: request.body)
            if let complaint = Schema.either(FeedbackEvent.schema, .array(of: FeedbackEvent.schema)).mismatch(body) {
                throw Fault(
                    .usage, what: "The feedback cannot be used.", why: "In it, \(complaint).",
                    fix: "Send {\"request_id\", \"metric\", \"value\"}, or an array of such objects.")
            }
            return HTTPResponse.answer(try await feed(body, to: services))
        } catch {
            return .refusal(error)
        }
    }

    /// Durable when it returns.
    static func feed(_ body: JSONValue, to services: Services) async throws(Fault) -> Answer {
        let items = body.arrayValue ?? [body]
        guard items.count <= eventsMax else {
            throw Fault(
                .limitReached, what: "Too much feedback at once.",
                why: "\(items.count) events; at most \(eventsMax) go into one request.",
                fix: "Send it in parts.")
        }
        var events: [OutcomeStore.Feedback] = []
        for item in items { events.append(try await FeedbackEvent.read(item, routes: services.routes)) }
        let results = try await services.outcomes.feed(events, at: .now())
        return .list("results", results.map { .string($0.rawValue) })
    }
}
