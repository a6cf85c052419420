import Faults
import Outcomes
import Providers
import Routing
import Sockets

/// What a variant of a route with `api: openai` adds to a request's way: a prompt, providers, budgets.
final class CompiledModel {
    let prompt: CompiledPrompt?
    /// In the order of trying.
    let hosts: [ModelHost]
    let book: BudgetBook
    /// What each request is paid from: `route/support`, and the experiment it is part of.
    let accounts: [BudgetBook.Account]

    init(_ variant: Variant, of route: Route, book: BudgetBook, tls: TLSClients) {
        prompt = variant.prompt.map { CompiledPrompt($0.template) }
        let own = ProviderBinding(
            name: "", url: variant.url, timeouts: route.timeouts, retriesMax: 0, caFile: variant.caFile)
        let providers = variant.providers ?? [own]
        hosts = providers.map { ModelHost($0, isProvider: variant.providers != nil, tls) }
        self.book = book
        let ofRoute = (route.budgets ?? []).map { BudgetBook.Account(owner: "route/\(route.name)", budget: $0) }
        let experiment = variant.experiment.flatMap { route.experiment(named: $0)?.account }
        accounts = ofRoute + (experiment.map { [$0] } ?? [])
    }

    /// The first provider from `start` on that is not known to fail now; that one where all are.
    func host(from start: Int, at now: Int64) -> Int {
        for index in start..<hosts.count where hosts[index].target?.health.isOpen(at: now) == true { return index }
        return start
    }
}

extension RouteExperiment {
    /// Where its spending is kept: another run of the same name has another number, and begins with nothing spent.
    var account: BudgetBook.Account? {
        budget.map { BudgetBook.Account(owner: "experiment/\(name)/\(number)", budget: $0.budget) }
    }
}

/// A provider as requests are sent to it.
final class ModelHost {
    let name: String
    let place: UpstreamPlace?
    /// Why it cannot be asked; told with 502.
    let unreachable: String
    /// Without a slash at its end.
    let path: [UInt8]
    /// The version, the Host line, and the authorization.
    let afterTarget: [UInt8]
    /// The client's own credentials and cookies stay here.
    let isProvider: Bool
    let timeouts: RouteTimeouts
    let retriesMax: Int
    /// How much of a retry each request earns.
    let retryShare: Double
    private let prices: [String: ModelPrice]

    /// Given by the loop when it takes the table.
    var target: UpstreamTarget?

    init(_ provider: ProviderBinding, isProvider: Bool, _ tls: TLSClients) {
        (name, timeouts, retriesMax, prices) = (provider.name, provider.timeouts, provider.retriesMax, provider.prices)
        self.isProvider = isProvider
        retryShare = Double(provider.retryBudget) / 10_000
        var lines: [UInt8] = []
        do {
            let url = try UpstreamURL(provider.url)
            var base = Array(url.path.utf8)
            while base.last == 0x2F { base.removeLast() }
            path = base
            lines = Array(" HTTP/1.1\r\nHost: \(url.hostField)\r\n".utf8)
            (place, unreachable) = UpstreamPlace.find(url, caFile: provider.caFile, tls)
        } catch {
            (place, unreachable, path) = (nil, "its url '\(provider.url)' cannot be used", [])
        }
        guard let reference = provider.key else {
            (afterTarget, keyAbsence) = (lines, nil)
            return
        }
        do {
            (afterTarget, keyAbsence) = (lines + (try SecretKey(reference)).headerLine, nil)
        } catch {
            (afterTarget, keyAbsence) = (lines, SecretKey.why(error, reference))
        }
    }

    /// Why there is no key to send; nil where there is one or none is needed.
    let keyAbsence: String?

    func price(of model: String?) -> ModelPrice? { model.flatMap { prices.price(of: $0) } }
}

/// How an upstream has been answering, as one loop saw it. A provider that failed several times in a row is passed over for a
/// moment where another can be asked; retries come out of what requests earn, so that they cannot multiply a provider's load.
struct UpstreamHealth {
    private var failures = 0
    private var closedUntil: Int64 = 0
    private var retries = UpstreamHealth.retriesAtFirst

    private static let failuresMax = 5
    private static let pauseNanoseconds: Int64 = 2_000_000_000
    private static let retriesAtFirst = 3.0
    private static let retriesMax = 20.0

    func isOpen(at now: Int64) -> Bool { now >= closedUntil }

    mutating func sent(earning share: Double) { retries = min(Self.retriesMax, retries + share) }
    mutating func answered() { failures = 0 }

    mutating func failed(at now: Int64) {
        failures += 1
        if failures >= Self.failuresMax { closedUntil = now + Self.pauseNanoseconds }
    }

    /// False when no retry has been earned.
    mutating func takeRetry() -> Bool {
        guard retries >= 1 else { return false }
        retries -= 1
        return true
    }
}
