public import Faults
import JSON
import Ledger
import Registry

/// Where prompts and providers are looked up, so that a route can carry what they say.
public struct ModelSources: Sendable {
    /// `support@v3`
    public typealias FindPrompt = @Sendable (_ id: String) async -> PromptBinding?
    public typealias FindProvider = @Sendable (_ name: String) async -> ProviderBinding?
    /// The provider's own fallbacks, by name, in the order of trying.
    public typealias FindFallbacks = @Sendable (_ provider: String) async -> [String]

    /// The file of certificates that a registered version (`fraud-model@v12`) is checked against; nil for the system's.
    public typealias FindCertificates = @Sendable (_ version: String) async -> String?

    let prompt: FindPrompt
    let provider: FindProvider
    let fallbacks: FindFallbacks
    let certificates: FindCertificates

    public init(
        prompt: @escaping FindPrompt, provider: @escaping FindProvider, fallbacks: @escaping FindFallbacks,
        certificates: @escaping FindCertificates = { _ in nil }
    ) {
        (self.prompt, self.provider, self.fallbacks, self.certificates) = (prompt, provider, fallbacks, certificates)
    }

    /// Knows none.
    public static let none = ModelSources(prompt: { _ in nil }, provider: { _ in nil }, fallbacks: { _ in [] })
}

/// Where a variant's requests go, and what they are made of.
struct VariantPlace: Equatable, Sendable {
    var url = ""
    /// The registered version that is served there.
    var version: String?
    var prompt: PromptBinding?
    var providers: [ProviderBinding]?
    var caFile: String?
}

extension RouteService {
    /// Looks up what a variant names. `provider` is the route's, for variants and prompts that name none; `base` is whose place
    /// a variant of an experiment shares where it names none of its own.
    func place(
        of variant: RouteSpec.VariantSpec, on route: String, provider: [String]?, base: Variant? = nil
    ) async throws(Fault) -> VariantPlace {
        var place = VariantPlace(version: variant.version)
        if let id = variant.prompt {
            guard let prompt = await models.prompt(id) else {
                throw Fault(
                    .notFound, what: "Variant \(variant.name) of route \(route) has no prompt to use.",
                    why: "\(id) is not registered.", fix: "Add it first: openclaw prompt add FILE.")
            }
            place.prompt = prompt
        }
        if variant.url != nil || variant.version != nil {
            place.url = try await url(of: variant, on: route)
            place.caFile = variant.caFile
            if place.caFile == nil, let version = variant.version { place.caFile = await models.certificates(version) }
            return place
        }
        let own = variant.provider ?? place.prompt?.template.provider.map { [$0] }
        if own == nil, let base {
            (place.url, place.providers, place.version, place.caFile) = (base.url, base.providers, base.version, base.caFile)
            place.prompt = place.prompt ?? base.prompt
            return place
        }
        guard let names = own ?? provider else {
            throw Fault(
                .conflict, what: "Variant \(variant.name) of route \(route) has nowhere to send requests.",
                why: "Neither it nor its prompt nor the route names a provider or a url.",
                fix: "Add `provider: NAME` to the route, or give the variant a `url`.")
        }
        let providers = try await bindings(names, of: "Variant \(variant.name) of route \(route)")
        (place.url, place.providers) = (providers.first?.url ?? "", providers)
        return place
    }

    /// The providers named, each followed by its own fallbacks that are not named.
    private func bindings(_ names: [String], of what: String) async throws(Fault) -> [ProviderBinding] {
        var order: [String] = []
        for name in names {
            for name in [name] + (await models.fallbacks(name)) where !order.contains(name) && order.count < RouteSpec.providersMax
            {
                order.append(name)
            }
        }
        var found: [ProviderBinding] = []
        for name in order {
            guard let provider = await models.provider(name) else {
                throw Fault(
                    .notFound, what: "\(what) cannot use provider \(name).", why: "No provider was applied under this name.",
                    fix: "Apply it first: openclaw apply -f FILE with a `provider:` resource.")
            }
            found.append(provider)
        }
        return found
    }

    /// A provider changed: every route that uses it follows, in one table.
    public func refresh(provider name: String) async throws(Fault) {
        try await inTurn { () async throws(Fault) in try await self.rebind { $0.contains(name) } }
    }

    /// Takes over what the providers of variants say now. In a turn.
    func rebind(where isConcerned: ([String]) -> Bool) async throws(Fault) {
        for route in records.map(\.route).sorted(by: { $0.name < $1.name }) {
            var fresh: [VariantID: [ProviderBinding]] = [:]
            for variant in route.variants {
                guard let providers = variant.providers, isConcerned(providers.map(\.name)) else { continue }
                var now: [ProviderBinding] = []
                for provider in providers { now.append(await models.provider(provider.name) ?? provider) }
                if now != providers { fresh[variant.id] = now }
            }
            guard !fresh.isEmpty else { continue }
            try await recordRebound(route.name, fresh)
        }
    }

    private func recordRebound(_ name: String, _ fresh: [VariantID: [ProviderBinding]]) async throws(Fault) {
        let providers = Set(fresh.values.flatMap { $0.map(\.name) }).sorted()
        _ = try await recordChange(
            name, "route.rebound", asked: ["providers": .array(providers.map(JSONValue.string))], by: "routes"
        ) { _ throws(Fault) in
            var next = try record(of: name)
            for index in next.route.variants.indices {
                guard let now = fresh[next.route.variants[index].id] else { continue }
                next.route.variants[index].providers = now
                next.route.variants[index].url = now.first?.url ?? next.route.variants[index].url
            }
            return next
        }
    }
}
