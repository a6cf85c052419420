import Faults
import HTTP
import JSON
import Providers
import Routing

/// `/api/v1/providers`: who answers for models. No key is ever in an answer, only where it is found and whether it is there.
enum ProviderRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(.get, "/api/v1/providers", .scope(.read), "All providers", gives: .object(["providers": .array(of: provider)])) {
            call throws(Fault) in .list("providers", await (try call.services).providers.list().map(json))
        },
        Endpoint(.get, "/api/v1/providers/{name}", .scope(.read), "One provider", gives: provider) { call throws(Fault) in
            let providers = try call.services.providers
            if let provider = await providers.provider(call["name"]) { return .json(json(provider)) }
            throw RegistryRoutes.unknown(
                "provider", call["name"], known: await providers.list().map(\.name), list: "openclaw provider list")
        },
    ]

    private static let provider = Schema.object([
        "name": .string("Its name"), "url": .string("The base of its API"),
        "ca_file": Schema.string("Whose certificates it is checked against; null for the system's").orNull,
        "key": Schema.string("Where its key is found").orNull,
        "key_state": .oneOf(["none", "found", "missing"], "Whether the daemon finds the key now"),
        "fallback": .array(of: .string("Asked in this order where it does not answer")),
        "retries": .any("How often a request may be sent again"), "timeouts": .any("Milliseconds"),
        "prices": .map(of: .any("USD for a million tokens")), "default_prices_as_of": .string("The day of the default prices"),
    ])

    private static func json(_ provider: Provider) -> JSONValue {
        [
            "name": .string(provider.name), "url": .string(provider.url), "ca_file": provider.caFile.map(JSONValue.string) ?? .null,
            "key": provider.key.map { .string($0.text) } ?? .null, "key_state": .string(keyState(provider.key)),
            "fallback": .array(provider.fallback.map(JSONValue.string)),
            "retries": [
                "attempts": .integer(Int64(provider.retriesMax)), "budget": .number(Double(provider.retryBudget) / 10_000),
            ],
            "timeouts": [
                "connect_ms": .integer(provider.timeouts.connect), "first_token_ms": .integer(provider.timeouts.firstByte),
                "between_tokens_ms": .integer(provider.timeouts.idle),
            ],
            "prices": .object(
                provider.prices.mapValues { price in
                    [
                        "input": .string(Money.text(price.input)), "output": .string(Money.text(price.output)),
                        "cached": .string(Money.text(price.cached)),
                    ]
                }),
            "default_prices_as_of": .string(PriceTable.standard.asOf),
        ]
    }

    private static func keyState(_ key: KeyReference?) -> String {
        guard let key else { return "none" }
        return (try? SecretKey(key)) == nil ? "missing" : "found"
    }
}
