import Experiments
import Faults
import Gateway
import Ledger
import Outcomes
import Providers
import Registry
import Releases
import Routing
import Synchronization
import Training

/// Connects the capabilities to each other and restores them. It decides nothing.
enum Wiring {
    /// Opens the home's ledger and everything that is replayed from it. Where that does not work nothing stays open.
    static func open(_ home: Home, publisher: RoutePublisher, sticky: StickyFolder, engine: EngineChoice) async throws(Fault)
        -> Services
    {
        let ledger = try await LedgerWriter.open(directory: home.path)
        let registry = RegistryService(ledger: ledger, artifacts: ArtifactStore(directory: home.artifacts))
        // A route asks where a version is served, and releases, who know it, stand above routes.
        let serving = Serving()
        let providers = ProviderService(ledger: ledger)
        let routes = RouteService(
            ledger: ledger, sticky: sticky, resolve: { version in await serving.url(of: version) },
            models: sources(registry, providers),
            publish: { table throws(Fault) in try await publisher.publish(table) })
        do throws(Fault) {
            let tokens = TokenService(ledger: ledger)
            try await tokens.restore()
            try await registry.restore()
            try await providers.restore()
            try await routes.restore()
            try await publisher.check(restored: await routes.table())
            let outcomes = try await OutcomeStore.open(directory: home.outcomes, settings: .init())
            let releases = ReleaseService(
                settings: .init(directory: home.releases), ledger: ledger, registry: registry, routes: routes, outcomes: outcomes)
            serving.connect(releases)
            let winners = WinnerReleases(releases: releases)
            let experiments = ExperimentService(
                settings: .init(directory: home.experiments), ledger: ledger, registry: registry, routes: routes,
                outcomes: outcomes, release: { (request) throws(Fault) in try await winners.conduct(request) },
                spent: { name in await publisher.spent(by: name) })
            let training = try TrainingService(
                settings: ThisProgram.training(in: home, on: engine), ledger: ledger, registry: registry)
            do throws(Fault) {
                try await releases.restore()
                try await experiments.restore()
                try await training.restore()
                try await FirstToken.ensure(in: home, tokens)
            } catch {
                // Each holds its file: what stays open would be in the way of the next try.
                await training.drain()
                await experiments.drain()
                await releases.drain(stopServers: false)
                await outcomes.close()
                throw error
            }
            return Services(
                ledger: ledger, registry: registry, providers: providers, routes: routes, outcomes: outcomes, releases: releases,
                experiments: experiments, training: training, tokens: tokens)
        } catch {
            await ledger.close()
            throw error
        }
    }

    /// A route carries what its prompts and providers say.
    private static func sources(_ registry: RegistryService, _ providers: ProviderService) -> ModelSources {
        ModelSources(
            prompt: { id in
                guard let version = VersionID(id), let prompt = await registry.prompt(version.model) else { return nil }
                return prompt.versions[version.version].map { PromptBinding(id: id, template: $0) }
            },
            provider: { name in await providers.provider(name)?.binding },
            fallbacks: { name in await providers.provider(name)?.fallback ?? [] },
            certificates: { version in
                guard let id = VersionID(version) else { return nil }
                return await registry.model(id.model)?.caFile
            })
    }

    /// Knows who serves a version once releases are there.
    private final class Serving: Sendable {
        private let releases: Mutex<ReleaseService?> = Mutex(nil)

        func connect(_ service: ReleaseService) { releases.withLock { $0 = service } }

        func url(of version: String) async -> String? {
            guard let id = VersionID(version) else { return nil }
            return await releases.withLock(\.self)?.url(serving: id)
        }
    }
}
