import Faults
import JSON
import Ledger
import Routing
import TestFolders
import Testing
import YAML

@testable import Providers

@Suite struct ProviderTests {
    private func provider(_ text: String) throws -> Provider {
        let document = try #require(try YAMLNode.documents(in: "provider: " + text, file: "p.yaml").first)
        return try Provider(try #require(try document.mapping("a file").entries.first).value)
    }

    @Test func `a provider is read whole`() throws {
        let provider = try provider(
            """
            { name: openai, api: openai, url: "http://127.0.0.1:9000/v1", key: "env:OPENAI_API_KEY",
              fallback: [local], retries: { attempts: 2, budget: 20% },
              timeouts: { connect: 500ms, first_token: 20s, between_tokens: 5s },
              prices: { my-model: { input: 0.15, output: 0.6, cached: 0.075 } } }
            """)
        #expect(provider.key == .environment("OPENAI_API_KEY"))
        #expect(provider.retriesMax == 2 && provider.retryBudget == 2_000)
        #expect(
            provider.timeouts.connect == 500 && provider.timeouts.firstByte == 20_000 && provider.timeouts.idle == 5_000)
        #expect(
            provider.binding.prices.price(of: "my-model") == ModelPrice(input: 150_000_000, output: 600_000_000, cached: 75_000_000)
        )
        #expect(try JSONValue(encoding: provider).decoded(as: Provider.self) == provider)
    }

    @Test(arguments: [
        ("key: sk-verysecret", "not where a key is found", "only referred to"),
        ("api: grpc", "not an API", "OpenAI's"), ("fallback: [p]", "cannot be tried", "not itself"),
        ("prices: { m: { input: free } }", "not a price", "million"),
        ("timeouts: { first_token: 0s }", "cannot be kept", "1ms"), ("ulr: x", "`ulr` is not known", "strictly"),
    ])
    func `a mistake is refused with its line, and a key is never repeated`(rest: String, what: String, why: String) throws {
        let fault = try #require(throws: Fault.self) { try provider("{ name: p, url: \"http://h/v1\", \(rest) }") }
        #expect(fault.what.contains(what) && fault.why.contains(why) && fault.why.contains("line 1"), "\(fault)")
        #expect(!fault.description.contains("verysecret"))
    }

    @Test func `a provider behind TLS may name whose certificates count, and nobody else`() throws {
        let folder = TemporaryFolder()
        let file = folder.write("# ours\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", to: "ca.pem")
        let ours = try provider("{ name: p, url: \"https://models.internal/v1\", ca_file: \"\(file)\" }")
        #expect(ours.binding.caFile == file)
        #expect(try provider("{ name: p, url: \"https://api.openai.com/v1\" }").binding.caFile == nil)
        let fault = try #require(throws: Fault.self) { try provider("{ name: p, url: \"http://h/v1\", ca_file: /etc/ca.pem }") }
        #expect(fault.what.contains("no https url"), "\(fault)")
        for (wrong, why) in [("\(folder.path)/none.pem", "cannot be read"), (folder.write("key", to: "k.pem"), "no certificate")] {
            let fault = try #require(throws: Fault.self) {
                try provider("{ name: p, url: \"https://h/v1\", ca_file: \"\(wrong)\" }")
            }
            #expect(fault.what.contains(why) && fault.why.contains("line 1"), "\(fault)")
        }
    }

    @Test func `a model is priced by its own name, else by the longest one that fits`() {
        let prices = PriceTable.standard.prices
        #expect(prices.price(of: "gpt-4o-mini-2024-07-18")?.input == 150_000_000)
        #expect(prices.price(of: "gpt-4o-2024-08-06")?.output == 10_000_000_000)
        #expect(prices.price(of: "text-embedding-3-small")?.input == 20_000_000)
        for other in ["unheard-of", "gpt-5-pro", "gpt-4o-audio-preview", "gpt-5.4-pro", "o3-pro"] {
            #expect(prices.price(of: other) == nil, "a sibling is not the model")
        }
        #expect(PriceTable.standard.asOf.count == 10)
    }

    @Test func `a key is read from where it is referred to, and does not print`() throws {
        let folder = TemporaryFolder()
        let path = folder.write("sk-secret\n", to: "key")
        let key = try SecretKey(try #require(KeyReference("file:\(path)")))
        #expect(String(decoding: key.headerLine, as: UTF8.self) == "Authorization: Bearer sk-secret\r\n")
        #expect("\(key)" == "file:\(path)")
        #expect(throws: SecretKey.Absence.unset) { try SecretKey(.environment("OPENCLAW_TEST_NO_SUCH_KEY")) }
        #expect(throws: SecretKey.Absence.unset) { try SecretKey(.file(folder.path + "/none")) }
    }

    @Test func `providers are recorded once, and are there after a restart`() async throws {
        let folder = TemporaryFolder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let service = ProviderService(ledger: ledger)
        let openai = try provider("{ name: openai, url: \"http://h/v1\", fallback: [local] }")
        await #expect(throws: Fault.self) { try await service.apply(openai, by: "test") }
        #expect(try await service.apply(provider("{ name: local, url: \"http://l/v1\" }"), by: "test") == .created)
        #expect(try await service.apply(openai, by: "test") == .created)
        #expect(try await service.apply(openai, by: "test") == .unchanged)
        let next = ProviderService(ledger: ledger)
        try await next.restore()
        #expect(await next.list().map(\.name) == ["local", "openai"])
        await ledger.close()
        _ = folder.names
    }
}

@Suite struct BudgetTests {
    private let account = BudgetBook.Account(owner: "route/support", budget: Budget(.route, nanoUSD: 1_000, per: .minute))

    @Test func `the worst case is reserved, and what it did cost is spent`() {
        let book = BudgetBook()
        #expect(book.reserve(600, of: account, at: 0) == .reserved)
        #expect(book.reserve(600, of: account, at: 1) == .exhausted(left: 400))
        book.settle(reserved: 600, spent: 100, of: account, at: 2)
        #expect(book.spent(of: account, at: 3) == 100)
        #expect(book.reserve(900, of: account, at: 3) == .reserved)
        #expect(book.reserve(1, of: account, at: 3) == .exhausted(left: 0))
    }

    @Test func `a new period begins with nothing spent, and what is in flight stays reserved`() {
        let book = BudgetBook()
        #expect(book.reserve(700, of: account, at: 59_000) == .reserved)
        #expect(book.reserve(400, of: account, at: 60_000) == .exhausted(left: 300))
        book.settle(reserved: 700, spent: 700, of: account, at: 61_000)
        #expect(book.reserve(300, of: account, at: 61_000) == .reserved)
        #expect(book.reserve(1_000, of: account, at: 120_000) == .exhausted(left: 700))
        #expect(BudgetBook.end(of: account.budget, at: 61_000) == 120_000)
        #expect(BudgetBook.start(of: account.budget, at: 61_000) == 60_000)
    }

    @Test func `each token has an account of its own`() {
        let book = BudgetBook()
        let budget = Budget(.token, nanoUSD: 10, per: .total)
        #expect(book.reserve(10, of: .init(owner: "r", budget: budget, token: 1), at: 0) == .reserved)
        #expect(book.reserve(1, of: .init(owner: "r", budget: budget, token: 1), at: 0) == .exhausted(left: 0))
        #expect(book.reserve(10, of: .init(owner: "r", budget: budget, token: 2), at: 0) == .reserved)
    }
}
