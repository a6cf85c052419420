import Faults
package import Providers
package import Routing
package import Sockets

/// One loop's form of the routing table: made ready off the request path, so that nothing is parsed, resolved or built on it.
/// Each loop has a copy of its own, and touches it on its thread only.
package final class CompiledTable {
    package let position: Int64
    /// Most specific first: a route for this host before one for any, the longer path before the shorter.
    let routes: [CompiledRoute]

    /// Resolves the variants' hosts, which may block: never called on a loop or on the cooperative pool.
    package init(
        _ table: RoutingTable, sticky: StickyFolder? = nil, budgets: BudgetBook = BudgetBook(), tls: TLSClients = TLSClients()
    ) {
        position = table.position
        routes = table.routes.map { CompiledRoute($0, sticky: sticky, budgets: budgets, tls: tls) }.sorted { a, b in
            if a.host.isEmpty != b.host.isEmpty { return b.host.isEmpty }
            if a.path.count != b.path.count { return a.path.count > b.path.count }
            return a.name < b.name
        }
    }

    var variants: some Sequence<CompiledVariant> { routes.lazy.flatMap { $0.variants.lazy.compactMap(\.self) } }
}

/// A route as requests are matched with it.
package final class CompiledRoute {
    let id: RouteID
    let name: String
    /// Lower case; empty for any.
    let host: [UInt8]
    /// Without a slash at its end; empty for every path.
    let path: [UInt8]
    let unit: CompiledUnit
    let split: TrafficSplit
    /// By variant number, in basis points.
    let shares: [UInt16]
    /// By variant number.
    let variants: [CompiledVariant?]
    /// The experiments, asked before the split.
    let layers: [CompiledLayer]
    /// Whether the whole body must be here before the variant is known or the request can be sent.
    let readsBody: Bool
    /// Its path ends in the version of OpenAI's API, so that none follows.
    let isVersioned: Bool

    init(_ route: Route, sticky: StickyFolder?, budgets: BudgetBook, tls: TLSClients) {
        (id, name, split) = (route.id, route.name, route.split)
        host = Array((route.match.host ?? "").lowercased().utf8)
        path = Array((route.match.path.hasSuffix("/") ? String(route.match.path.dropLast()) : route.match.path).utf8)
        unit = CompiledUnit(route.unit)
        var shares = [UInt16](repeating: 0, count: 256)
        for (variant, share) in route.split.shares { shares[Int(variant.number)] = UInt16(clamping: share) }
        self.shares = shares
        var variants = [CompiledVariant?](repeating: nil, count: 256)
        // A split that names a variant the route does not have is answered with a fault, not with a crash.
        for number in shares.indices where shares[number] > 0 {
            variants[number] = CompiledVariant(
                Variant(id: VariantID(UInt8(number)), name: "?", url: ""), of: route, budgets: budgets, tls: tls)
        }
        for experiment in route.experiments {
            for id in experiment.split.shares.keys {
                variants[Int(id.number)] = CompiledVariant(
                    Variant(id: id, name: "?", url: "", experiment: experiment.name), of: route, budgets: budgets, tls: tls)
            }
        }
        for variant in route.variants {
            variants[Int(variant.id.number)] = CompiledVariant(variant, of: route, budgets: budgets, tls: tls)
        }
        self.variants = variants
        layers = route.experiments.map { CompiledLayer($0, sticky: sticky) }
        isVersioned = route.match.path.hasSuffix("/v1")
        readsBody =
            route.api != nil || unit.readsBody || layers.contains { $0.readsBody }
            || variants.contains { $0?.rewrite?.fields.isEmpty == false }
    }
}

/// Where a request's unit is read from.
enum CompiledUnit {
    case header([UInt8])
    case cookie([UInt8])
    case json(JSONPointer)
    case client
    /// The table says something that cannot be read: each request is its own unit.
    case none

    init(_ source: UnitSource) {
        switch source {
        case .header(let name): self = .header(Array(name.lowercased().utf8))
        case .cookie(let name): self = .cookie(Array(name.utf8))
        case .json(let pointer): self = JSONPointer(pointer).map(CompiledUnit.json) ?? .none
        case .clientAddress: self = .client
        }
    }

    var readsBody: Bool { if case .json = self { true } else { false } }
}

/// A variant as requests are sent to it.
final class CompiledVariant {
    let id: VariantID
    let route: RouteID
    let routeName: String
    let name: String
    /// As metrics name it: an experiment's variants carry its name before theirs.
    let label: String
    let place: UpstreamPlace?
    /// Why there is none; told with 502.
    let unreachable: String
    /// The rest of the request's path is appended to it.
    let path: [UInt8]
    /// What follows the target: the version and the Host line.
    let afterTarget: [UInt8]
    /// The response's lines that name route and variant.
    let responseLines: [UInt8]
    let rewrite: CompiledRewrite?
    let timeouts: RouteTimeouts
    /// Set on a route with `api: openai`.
    let model: CompiledModel?

    /// Given by the loop when it takes the table.
    var target: UpstreamTarget?
    var counters = VariantCounters()

    init(_ variant: Variant, of route: Route, budgets: BudgetBook, tls: TLSClients) {
        (id, name, self.route, routeName, timeouts) = (variant.id, variant.name, route.id, route.name, route.timeouts)
        let rewrite = variant.rewrite.map(CompiledRewrite.init)
        self.rewrite = rewrite
        label = variant.experiment.map { "\($0)/\(variant.name)" } ?? variant.name
        model = route.api == nil ? nil : CompiledModel(variant, of: route, book: budgets, tls: tls)
        var lines = ByteBuffer()
        var names = [("X-OpenClaw-Route", route.name), ("X-OpenClaw-Variant", variant.name)]
        if let experiment = variant.experiment { names.append(("X-OpenClaw-Experiment", experiment)) }
        for (field, value) in names {
            lines.append("\(field): \(String(decoding: value.utf8.filter { $0 > 0x20 && $0 < 0x7F }, as: UTF8.self))\r\n")
        }
        responseLines = unsafe Array(lines.bytes)
        do {
            let url = try UpstreamURL(variant.url)
            path = Array(url.path.utf8)
            afterTarget = Array(" HTTP/1.1\r\nHost: \(url.isSecure ? url.hostField : url.authority)\r\n".utf8)
            (place, unreachable) = UpstreamPlace.find(url, caFile: variant.caFile, tls)
        } catch {
            (place, unreachable, path, afterTarget) = (nil, "Its url '\(variant.url)' is not http://host:port/path.", [], [])
        }
    }
}

extension UpstreamPlace {
    /// Where a url leads, or why nothing can be sent there. Resolves its host and may read certificates, which both block.
    static func find(_ url: UpstreamURL, caFile: String?, _ tls: TLSClients) -> (UpstreamPlace?, String) {
        do throws(Fault) {
            var place = UpstreamPlace(address: try SocketAddress(parsing: url.authority))
            if url.isSecure { place.security = Security(host: url.host, client: try tls.client(caFile: caFile)) }
            return (place, "")
        } catch {
            return (nil, error.kind == .badConfiguration ? "\(error.what) \(error.why)" : error.why)
        }
    }
}
