import Faults
import Gateway
import HTTP
import Routing
import Sockets

/// Where the OpenFeature Remote Evaluation Protocol comes in: on the gateway beside live traffic, and on the control API.
enum EvaluationDoor {
    private static let flag = Schema.object(
        [
            "key": .string("An experiment's name, or a route's"), "reason": .string("SPLIT, STATIC, TARGETING_MATCH or DISABLED"),
            "variant": .string("The variant's name"),
        ],
        optional: [
            "value": .any("The variant's value, or its name; missing where the application's default counts"),
            "metadata": .any("`route`, `experiment`, and `requestId` for feedback"),
        ])

    static let endpoints: [Endpoint] = [
        Endpoint(
            .post, "/ofrep/v1/evaluate/flags/{key}", .scope(.feedback),
            "OpenFeature remote evaluation of one flag: `{\"context\": {\"targetingKey\": UNIT, ...}}`", gives: flag
        ) { call throws(Fault) in .whole(try await evaluate(call.request, by: call.daemon)) },
        Endpoint(
            .post, "/ofrep/v1/evaluate/flags", .scope(.feedback), "OpenFeature remote evaluation of every flag, with an ETag",
            gives: .object(["flags": .array(of: flag)])
        ) { call throws(Fault) in .whole(try await evaluate(call.request, by: call.daemon)) },
    ]

    private static func evaluate(_ request: HTTPRequest, by daemon: Daemon) async throws(Fault) -> HTTPResponse {
        guard let gateway = daemon.gateway else {
            throw Fault(.unavailable, what: "The daemon is stopping.", why: "It was asked to.", fix: "Try again in a moment.")
        }
        return await gateway.evaluate(request)
    }

    /// The gateway's own doors. Evaluation records exposures, so beyond loopback it takes a token with scope `feedback`, as
    /// feedback does.
    static func answer(_ request: HTTPRequest, isOpen: Bool, of daemon: Daemon?) async -> HTTPResponse {
        let pages = PageOrigins(allowed: daemon?.settings.origins ?? [])
        do throws(Fault) {
            let origin = try pages.check(request)
            if request.method == "OPTIONS" { return pages.preflight(for: origin) }
            return pages.marked(await admitted(request, isOpen: isOpen, of: daemon), for: origin)
        } catch {
            return .refusal(error)
        }
    }

    private static func admitted(_ request: HTTPRequest, isOpen: Bool, of daemon: Daemon?) async -> HTTPResponse {
        guard GatewayServer.evaluates(request.path) else { return await FeedbackDoor.answer(request, isOpen: isOpen, of: daemon) }
        do throws(Fault) {
            guard let daemon else {
                throw Fault(.unavailable, what: "The daemon is stopping.", why: "It was asked to.", fix: "Try again in a moment.")
            }
            if !isOpen {
                let secret = try Doorkeeper(bound: daemon.settings.gateway).bearer(request)
                _ = try Doorkeeper.check(await daemon.services().tokens.caller(presenting: secret), may: .feedback)
            }
            return try await evaluate(request, by: daemon)
        } catch {
            return .refusal(error)
        }
    }
}
