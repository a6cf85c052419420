import Faults
import JSON
import Ledger
import Registry
import TestFolders
import Testing
import YAML

@testable import Routing

@Suite struct ModelRouteTests {
    let folder = Folder()

    private func node(_ text: String) throws -> YAMLNode {
        let document = try #require(try YAMLNode.documents(in: "route: " + text, file: "route.yaml").first)
        return try #require(try document.mapping("a file").entries.first).value
    }

    private func spec(_ text: String) throws -> RouteSpec { try RouteSpec(try node(text)) }

    static let support = """
        { name: support, api: openai, match: { path: /v1 }, unit: "header:X-User-Id", provider: [openai, local],
          budget: 50 USD/day, token_budget: { usd: 0.5, per: hour },
          variants: { control: { prompt: support@v3, share: 50% }, friendlier: { prompt: support@v4, share: 50%, provider: local } } }
        """

    @Test func `a route of prompts is read whole`() throws {
        let spec = try spec(Self.support)
        #expect(spec.api == .openai && spec.provider == ["openai", "local"])
        #expect(
            spec.budgets == [
                Budget(.route, nanoUSD: 50_000_000_000, per: .day), Budget(.token, nanoUSD: 500_000_000, per: .hour),
            ])
        #expect(spec.variants.map(\.prompt) == ["support@v3", "support@v4"])
        #expect(spec.variants[1].provider == ["local"])
    }

    @Test(arguments: [
        ("match: { path: /v1 }, variants: { a: { prompt: p@v1 } }", "variant 'a' with a prompt", "add `api: openai`"),
        ("match: { path: /v1 }, budget: 1 USD/day, variants: { a: { url: \"http://h/\" } }", "a budget", "add `api: openai`"),
        ("api: grpc, match: { path: /v1 }, variants: { a: { prompt: p@v1 } }", "'grpc' is not an API", "`api: openai`"),
        ("api: openai, budget: 1 EUR/day, match: { path: /v1 }, variants: { a: { prompt: p@v1 } }", "not a budget", "USD/day"),
        ("api: openai, budget: 0 USD/day, match: { path: /v1 }, variants: { a: { prompt: p@v1 } }", "not a budget", "USD/day"),
        (
            "api: openai, match: { path: /v1 }, variants: { a: { provider: p, url: \"http://h/\" } }", "says twice",
            "keep `prompt`"
        ),
        ("api: openai, match: { path: /v1 }, variants: { a: { share: 100% } }", "`prompt` or `provider`", "url"),
    ])
    func `what a route of prompts cannot mean is refused`(rest: String, what: String, fix: String) throws {
        let fault = try #require(throws: Fault.self) { try spec("{ name: r, unit: client, \(rest) }") }
        #expect(fault.what.contains(what), "\(fault)")
        #expect(fault.fix.contains(fix), "\(fault)")
    }

    @Test func `money is exact, and costs are rounded once`() {
        #expect(Money.nanoUSD("0.000000001") == 1)
        #expect(Money.nanoUSD("12.5") == 12_500_000_000)
        #expect(["", "1.", ".5", "-1", "1e3", "0.0000000001"].allSatisfy { Money.nanoUSD($0) == nil })
        #expect([1, 12_500_000_000, 4_200_000, 0].map { Money.text($0) } == ["0.000000001", "12.5", "0.0042", "0"])
        let price = ModelPrice(input: 150_000_000, output: 600_000_000, cached: 75_000_000)
        #expect(price.cost(inputTokens: 1_000, cachedTokens: 400, outputTokens: 50) == 600 * 150 + 400 * 75 + 50 * 600)
        #expect(ModelPrice(input: 333_333, output: 0).cost(inputTokens: 2, cachedTokens: 9, outputTokens: 0) == 1)
    }

    @Test func `a key is referred to, never written`() {
        #expect(KeyReference("env:OPENAI_API_KEY")?.text == "env:OPENAI_API_KEY")
        #expect(KeyReference("file:/run/secrets/key")?.text == "file:/run/secrets/key")
        #expect(["sk-123", "env:", "env:A B", "file:relative", "ENV:X"].allSatisfy { KeyReference($0) == nil })
    }

    private func service(_ providers: @escaping @Sendable (String) -> ProviderBinding?) async throws
        -> RouteService
    {
        let sources = ModelSources(
            prompt: { id in id.hasPrefix("support@") ? PromptBinding(id: id, template: .init(system: "Says \(id)")) : nil },
            provider: { name in providers(name) }, fallbacks: { name in name == "openai" ? ["azure"] : [] })
        return RouteService(
            ledger: try await LedgerWriter.open(directory: folder.path), resolve: { _ in nil }, models: sources, publish: { _ in })
    }

    @Test func `a route carries what its prompts and providers say, fallbacks included`() async throws {
        let routes = try await service { ProviderBinding(name: $0, url: "http://\($0):80/v1") }
        _ = try await routes.apply(try spec(Self.support), by: "test")
        let route = try #require(await routes.route("support"))
        #expect(route.variants[0].prompt?.template.system == "Says support@v3")
        #expect(route.variants[0].providers?.map(\.name) == ["openai", "azure", "local"])
        #expect(route.variants[0].url == "http://openai:80/v1")
        #expect(route.variants[1].providers?.map(\.name) == ["local"])
        #expect(try JSONValue(encoding: route).decoded(as: Route.self) == route)
    }

    @Test func `an unknown prompt or provider is a fault before anything changes`() async throws {
        let routes = try await service { $0 == "azure" ? nil : ProviderBinding(name: $0, url: "http://h/v1") }
        let fault = try await #require(throws: Fault.self) { try await routes.apply(try spec(Self.support), by: "test") }
        #expect(fault.what.contains("cannot use provider azure"))
        let other = "{ name: r, api: openai, match: { path: /x }, unit: client, variants: { a: { prompt: other@v1 } } }"
        #expect(
            try await #require(throws: Fault.self) { try await routes.apply(try spec(other), by: "test") }.why
                .contains("other@v1 is not registered"))
        #expect(await routes.routes().isEmpty)
    }
}
