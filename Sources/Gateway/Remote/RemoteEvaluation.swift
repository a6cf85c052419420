import Faults
package import HTTP
import JSON
package import Outcomes
package import Routing
import Synchronization
import Telemetry

/// The OpenFeature Remote Evaluation Protocol: any OpenFeature SDK asks here for a variant outside of a request. The decision is
/// the gateway's own, and who was told a variant of an experiment is exposed to it.
///
/// A flag is an experiment, by its name, or a route. An experiment's flag has no value for a unit that the experiment does not
/// take: the application's own default counts then. A route's flag has the variant that the route would answer with.
package final class RemoteEvaluation: Sendable {
    package typealias Sink = @Sendable ([Exposure]) async -> Void

    package static let path = "/ofrep/v1/evaluate/flags"

    private struct Known {
        var position: Int64 = -1
        var deciders: [String: RouteDecider] = [:]
        /// By experiment, its route.
        var routes: [String: String] = [:]
    }
    private let known: Mutex<Known>
    private let names: Mutex<RequestNames>
    private let sink: Sink
    private let contexts: GatewayServer.ContextSink
    private let sticky: StickyFolder?

    /// `loop` names its requests apart from those of the gateway's loops.
    package init(
        sticky: StickyFolder?, contexts: @escaping GatewayServer.ContextSink = { _ in }, sink: @escaping Sink
    ) {
        (self.sticky, self.sink, self.contexts) = (sticky, sink, contexts)
        known = Mutex(Known())
        names = Mutex(RequestNames(instance: UInt32.random(in: 0...UInt32.max), loop: UInt8.max))
    }

    /// Decides by this table from now on. May wait for the disk.
    package func adopt(_ table: RoutingTable) {
        var next = Known(position: table.position)
        for route in table.routes {
            next.deciders[route.name] = RouteDecider(route, sticky: sticky)
            for experiment in route.experiments { next.routes[experiment.name] = route.name }
        }
        known.withLock { if table.position >= $0.position { $0 = next } }
    }

    /// Whether a path is one of the protocol's.
    package static func answers(_ path: String) -> Bool { path == Self.path || path.hasPrefix(Self.path + "/") }

    package func answer(_ request: HTTPRequest) async -> HTTPResponse {
        let key = request.path == Self.path ? nil : String(request.path.dropFirst(Self.path.count + 1))
        let asked: RemoteQuestion
        do throws(RemoteRefusal) {
            asked = try RemoteQuestion(request)
        } catch {
            return error.response(key: key)
        }
        if let key { return await evaluate(key, asked) }
        return await evaluateAll(asked)
    }

    private func evaluate(_ key: String, _ asked: RemoteQuestion) async -> HTTPResponse {
        guard let (flag, position) = decide(key, asked) else {
            return RemoteRefusal.unknownFlag(closest: closest(to: key)).response(key: key)
        }
        let name = names.withLock { $0.next() }
        let tracked = flag.isTracked(asked)
        if tracked, let exposure = flag.exposure(name, asked, position: position) { await expose([(exposure, flag)]) }
        return .json(flag.json(request: tracked ? name : nil))
    }

    /// Every flag. The tag stands for the answers, not for the requests' names, so that a client that has them is told so;
    /// it is exposed to nothing new then.
    private func evaluateAll(_ asked: RemoteQuestion) async -> HTTPResponse {
        let keys = known.withLock { Set($0.deciders.keys).union($0.routes.keys) }
        let flags = keys.sorted().compactMap { decide($0, asked, remembers: false) }
        let plain = JSONValue.array(flags.map { $0.flag.json(request: nil) })
        let tag = "\"\(String(UnitID(plain.canonicalText).hash, radix: 16))\""
        if asked.has(tag: tag) { return HTTPResponse(status: 304, headers: HTTPHeaders([("ETag", tag)])) }
        var exposures: [(Exposure, RemoteFlag)] = []
        var list: [JSONValue] = []
        for (flag, position) in flags {
            let name = names.withLock { $0.next() }
            // A route's flag repeats what an experiment's own flag says.
            let tracked = flag.isTracked(asked) && (flag.isExperiment || flag.decision.experiment == nil)
            // Only now is it shown: a unit that keeps its variant keeps it from here on.
            if tracked { _ = decide(flag.key, asked) }
            if tracked, let exposure = flag.exposure(name, asked, position: position) {
                exposures.append((exposure, flag))
            }
            list.append(flag.json(request: tracked ? name : nil))
        }
        await expose(exposures)
        var response = HTTPResponse.json(["flags": .array(list)])
        response.headers.append("ETag", tag)
        return response
    }

    private func decide(_ key: String, _ asked: RemoteQuestion, remembers: Bool = true) -> (flag: RemoteFlag, position: Int64)? {
        let found = known.withLock { known in
            (known.routes[key] ?? key, known.routes[key] != nil, known.position, known.deciders[known.routes[key] ?? key])
        }
        guard let decider = found.3 else { return nil }
        var decision = decider.decide(unit: asked.unit, attributes: asked.attributes)
        // To have another experiment's unit kept, this one's flag is not enough.
        let isShown = decision.experiment.map { $0.name == key || !found.1 } == true
        if remembers, isShown, asked.tracks != false {
            decision = decider.decide(unit: asked.unit, attributes: asked.attributes, remembers: true)
        }
        return (RemoteFlag(key: key, isExperiment: found.1, route: decider.route, decision: decision), found.2)
    }

    /// What a contextual choice looked at goes first, as in the request path.
    private func expose(_ exposures: [(exposure: Exposure, flag: RemoteFlag)]) async {
        let looked = exposures.filter { !$0.flag.decision.features.isEmpty }.map { exposure, flag in
            Context(
                request: exposure.request, route: exposure.route, variant: exposure.variant, at: exposure.at,
                features: flag.decision.features)
        }
        if !looked.isEmpty { await contexts(looked) }
        if !exposures.isEmpty { await sink(exposures.map(\.exposure)) }
    }

    private func closest(to key: String) -> String? {
        let keys = known.withLock { Set($0.deciders.keys).union($0.routes.keys) }
        return key.utf8.count <= 256 ? Suggestion.closest(to: key, among: keys) : nil
    }
}

/// What is asked: of whom, with which attributes.
struct RemoteQuestion {
    let unit: String
    let attributes: [String: JSONValue]
    /// The context's `openclaw.track`: whether this counts as an exposure. Nil when it does not say.
    let tracks: Bool?
    private let tags: [Substring]

    static let trackKey = "openclaw.track"

    init(_ request: HTTPRequest) throws(RemoteRefusal) {
        let document: JSONValue
        do {
            document = try JSONValue(parsing: request.body)
        } catch {
            throw .unreadable(error.why)
        }
        guard case .object(let context)? = document["context"] else {
            throw .badContext("The body has no object `context`.")
        }
        switch context["targetingKey"] {
        case .string(let text)? where !text.isEmpty: unit = text
        case .string?, .null?, nil: throw .noUnit
        case .some: throw .badContext("`targetingKey` is not a text.")
        }
        guard unit.utf8.count <= 4_096 else { throw .badContext("`targetingKey` has more than 4 096 bytes.") }
        tracks = context[Self.trackKey]?.boolValue
        attributes = context
        tags = (request.headers["If-None-Match"] ?? "").split(separator: ",").map { tag in
            let bare = tag.drop { $0 == " " }
            return bare.hasPrefix("W/") ? bare.dropFirst(2) : bare
        }
    }

    func has(tag: String) -> Bool {
        // Some clients send the tag without its quotes.
        tags.contains { $0 == tag[...] || $0 == tag.dropFirst().dropLast() || $0 == "*" }
    }
}

/// One flag, decided.
struct RemoteFlag {
    let key: String
    let isExperiment: Bool
    let route: Route
    let decision: RouteDecision

    /// The variant that this flag stands for; nil when it is an experiment's and the experiment does not take the unit.
    private var variant: Variant? {
        isExperiment && decision.experiment?.name != key ? nil : route.variant(decision.variant)
    }

    /// An exposure is recorded for a variant of an experiment unless the context says no; for a route's own variant only when
    /// it says yes: a release counts the route's answers, and this is none.
    func isTracked(_ asked: RemoteQuestion) -> Bool {
        variant != nil && (decision.experiment == nil ? asked.tracks == true : asked.tracks != false)
    }

    func exposure(_ name: RequestName, _ asked: RemoteQuestion, position: Int64) -> Exposure? {
        guard let variant else { return nil }
        return Exposure(
            request: name.id, route: route.id, variant: variant.id, kind: .success, status: 200, propensity: decision.propensity,
            unit: UnitID(asked.unit).hash, tablePosition: position, at: .now(), latencyMicroseconds: 0, bytesIn: 0, bytesOut: 0)
    }

    /// As the protocol has it. Without a value the application's default counts.
    func json(request name: RequestName?) -> JSONValue {
        var metadata: [String: JSONValue] = ["route": .string(route.name)]
        if let name { metadata["requestId"] = .string(name.id.description) }
        if let experiment = decision.experiment, variant != nil { metadata["experiment"] = .string(experiment.name) }
        // A client that insists on a variant's name gets the one that a request would be answered with.
        let answering = route.variant(decision.variant)?.name ?? ""
        var flag: [String: JSONValue] = [
            "key": .string(key), "reason": .string(reason), "variant": .string(variant?.name ?? answering),
            "metadata": .object(metadata),
        ]
        if let variant { flag["value"] = variant.value ?? .string(variant.name) }
        return .object(flag)
    }

    private var reason: String {
        if variant == nil { return "DISABLED" }
        if decision.because == .overridden { return "TARGETING_MATCH" }
        let split = decision.experiment?.split ?? route.split
        return split.shares.count == 1 ? "STATIC" : "SPLIT"
    }
}

/// Why a question has no answer.
enum RemoteRefusal: Error {
    case unreadable(String)
    case badContext(String)
    case noUnit
    case unknownFlag(closest: String?)

    func response(key: String?) -> HTTPResponse {
        let (status, code, details) =
            switch self {
            case .unreadable(let why): (400, "PARSE_ERROR", "The body is not JSON: \(why)")
            case .badContext(let why): (400, "INVALID_CONTEXT", why)
            case .noUnit:
                (400, "TARGETING_KEY_MISSING", "The context has no `targetingKey`: it names the unit that keeps its variant.")
            case .unknownFlag(let closest):
                (
                    404, "FLAG_NOT_FOUND",
                    "No experiment and no route has the name '\(key ?? "")'."
                        + (closest.map { " Did you mean '\($0)'?" } ?? "")
                )
            }
        var body: [String: JSONValue] = ["errorCode": .string(code), "errorDetails": .string(details)]
        if let key { body["key"] = .string(key) }
        return .json(.object(body), status: status)
    }
}

extension HTTPResponse {
    fileprivate static func json(_ value: JSONValue, status: Int = 200) -> HTTPResponse {
        HTTPResponse(
            status: status, headers: HTTPHeaders([("Content-Type", "application/json"), ("Cache-Control", "no-store")]),
            body: .bytes(Array(value.canonicalText.utf8)))
    }
}
