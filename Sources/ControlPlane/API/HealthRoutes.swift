import Experiments
import Faults
import JSON
import Ledger
import Releases
import Routing
import Telemetry
import Training

/// Health, readiness, metrics, and what the API says about itself.
enum HealthRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(.get, "/healthz", .open, "Whether the process is alive", gives: .object(["alive": .boolean("Always true")])) { _ in
            .json(["alive": true])
        },
        Endpoint(
            .get, "/readyz", .open, "200 when everything that was applied is served, else 503 and what is missing",
            gives: .object([
                "ready": .boolean("Always true: else the answer is a refusal"),
                "not_conducted": .array(of: .any("What this version does not conduct, as a fault")),
            ])
        ) { call throws(Fault) in
            if let fault = await call.daemon.unreadiness() { throw fault }
            return .json(["ready": true, "not_conducted": .array(await hindrances(try call.services))])
        },
        Endpoint(
            .get, "/metrics", .openOnLoopback, "Prometheus text",
            answers: .text(type: "text/plain; version=0.0.4; charset=utf-8")
        ) { call throws(Fault) in
            .text(await MetricsPage.text(of: call.daemon), type: "text/plain; version=0.0.4; charset=utf-8")
        },
        Endpoint(.get, "/api/openapi.json", .open, "This API's description, OpenAPI 3.1", gives: .any("The document")) { _ in
            .json(OpenAPI.document(for: AllEndpoints.list, version: Daemon.version))
        },
        Endpoint(.get, "/api/v1/status", .scope(.read), "What this daemon is and how it stands", gives: status) {
            call throws(Fault) in .json(try await status(of: call))
        },
    ]

    private static let status = Schema.object(
        [
            "version": .string("Of OpenClaw"), "started_at": .string("RFC 3339"), "control": .string("Where this API listens"),
            "gateway": .string("Where live traffic is served"), "ready": .boolean("As /readyz says it"),
            "unready": .any("What is missing, as a fault, or null"), "ledger_entries": .integer("How many are recorded"),
            "not_conducted": .array(of: .any("What this version does not conduct, as a fault")),
            "routes": .integer("How many there are"), "releases_running": .integer("How many are not decided"),
        ])

    private static func hindrances(_ services: Services) async -> [JSONValue] {
        let faults = await services.releases.hindrances() + services.experiments.hindrances() + services.training.hindrances()
        return faults.map { $0.json["error"] ?? .null }
    }

    private static func status(of call: Call) async throws(Fault) -> JSONValue {
        let (daemon, services) = (call.daemon, try call.services)
        let unready = await daemon.unreadiness()
        let running = await services.releases.list().count { ReleaseRoutes.isRunning($0) }
        return [
            "version": .string(Daemon.version), "started_at": .string(daemon.startedAt.rfc3339),
            "control": .string(daemon.addresses?.control ?? ""), "gateway": .string(daemon.addresses?.gateway ?? ""),
            "ready": .bool(unready == nil), "unready": unready.map { $0.json["error"] ?? .null } ?? .null,
            "ledger_entries": .integer(try await services.ledger.reader.count()),
            "not_conducted": .array(await hindrances(services)),
            "routes": .integer(Int64(await services.routes.routes().count)), "releases_running": .integer(Int64(running)),
        ]
    }
}
