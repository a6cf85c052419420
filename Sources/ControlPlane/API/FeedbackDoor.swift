import Faults
import HTTP
import JSON
import Outcomes
import Routing
import Sockets
import Telemetry

/// Where feedback comes in: on the gateway beside live traffic, and on the control API.
enum FeedbackDoor {
    static let event = Schema.object(
        ["metric": .string("What was measured"), "value": .either(.number("How much"), .boolean("True counts 1, false 0"))],
        optional: [
            "request_id": .string("X-OpenClaw-Request-Id of the answer; or name `route` and `unit`"),
            "route": .string("The route's name"), "unit": .string("The unit, as the route's requests name it"),
            "session": .string("Beside `unit`: one value per session and metric"),
            "per": .oneOf(["event", "unit"], "Beside `unit`: every event counts (standard), or one value per unit and metric"),
            "idempotency_key": .string("The same key counts once"),
            "replace": .boolean("A correction: it takes the place of the event with the same key, request, session or unit"),
        ])
    static let answer = Schema.object(
        [
            "accepted": .integer("Events that are kept"),
            "results": .array(
                of: .oneOf(
                    ["joined", "duplicate", "replaced", "waiting", "unknown_exposure", "too_late", "refused"],
                    "What became of an event, in order; `waiting`: joined when its answer has ended")),
        ],
        optional: [
            "errors": .array(
                of: .object([
                    "index": .integer("Which event"), "what": .string("What happened"), "why": .string("Why"),
                    "fix": .string("How to mend it"),
                ]))
        ])

    /// The gateway's `POST /v1/feedback`. Where it `isOpen` (on loopback) it asks for no more than live traffic does; beyond, it
    /// needs a token with scope `feedback`, or strangers could decide a release.
    static func answer(_ request: HTTPRequest, isOpen: Bool, of daemon: Daemon?) async -> HTTPResponse {
        do throws(Fault) {
            guard let daemon else {
                throw Fault(.unavailable, what: "The daemon is stopping.", why: "It was asked to.", fix: "Try again in a moment.")
            }
            let services = try daemon.services()
            if !isOpen {
                let secret = try Doorkeeper(bound: daemon.settings.gateway).bearer(request)
                _ = try Doorkeeper.check(await services.tokens.caller(presenting: secret), may: .feedback)
            }
            return HTTPResponse.answer(try await feed(try json(request), to: services))
        } catch {
            return .refusal(error)
        }
    }

    /// Durable when it returns. An event that cannot be used does not lose the others; alone, it is refused.
    static func feed(_ body: JSONValue, to services: Services) async throws(Fault) -> Answer {
        var routes: [String: RouteID] = [:]
        for route in await services.routes.routes() { routes[route.name] = route.id }
        let document = try FeedbackDocument(body) { name in routes[name] }
        if let refusal = document.refusal { throw refusal }
        return .json(document.answer(try await services.outcomes.feed(document.events, at: .now())))
    }

    private static func json(_ request: HTTPRequest) throws(Fault) -> JSONValue {
        do {
            return try JSONValue(parsing: request.body)
        } catch {
            throw Fault(
                .usage, what: "The feedback cannot be read.", why: error.why,
                fix: "Send {\"request_id\", \"metric\", \"value\"}, or an array of such objects.")
        }
    }
}
