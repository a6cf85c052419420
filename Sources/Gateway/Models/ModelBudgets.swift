import Faults
import HTTP
import Outcomes
import Providers
import Routing
import Sockets
import Telemetry

/// Money: the worst case is set aside before a provider is asked, the real cost is taken when it has answered.
extension ClientConnection {
    /// Where neither the request nor the prompt says how long an answer may be.
    static let outputTokensMax: Int64 = 16_384

    /// False when the request was answered instead.
    func reserve(for asked: ModelExchange, in bytes: Span<UInt8>) -> Bool {
        guard !asked.model.accounts.isEmpty else { return true }
        guard asked.call != .other || loop.parser.method == .get || loop.parser.method == .head else {
            return refuseBudget(
                asked, why: "What a request to this path costs is not known, and the route has a budget.",
                fix: "Send it by a route without a budget.")
        }
        guard asked.call != .other else { return true }
        if let name = asked.facts.unclear {
            refuseBody(ChatRefusal.badNumber(name).fault)
            return false
        }
        guard let worst = asked.worstCost() else {
            return refuseBudget(
                asked, why: "No price is known for model '\(asked.facts.model ?? "?")', and the route has a budget.",
                fix: "Add it under `prices:` of the provider.")
        }
        let now = Timestamp.now().milliseconds
        for var account in asked.model.accounts {
            let budget = account.budget
            if budget.scope == .token { account.token = clientToken(in: bytes) }
            let outcome = asked.model.book.reserve(worst, of: account, at: now)
            guard outcome == .reserved else {
                asked.settle(0, at: now)
                return refuseBudget(asked, why: Self.why(outcome, worst, budget), fix: Self.fix(budget, now))
            }
            (asked.reserved, asked.accounts) = (worst, asked.accounts + [account])
        }
        return true
    }

    private static func why(_ outcome: BudgetBook.Reservation, _ worst: Int64, _ budget: Budget) -> String {
        let whose =
            switch budget.scope {
            case .token: "The budget of this client's token"
            case .experiment: "The budget of the experiment"
            case .route: "The budget of the route"
            }
        switch outcome {
        case .exhausted(let left):
            return
                "\(whose) is \(budget.text); \(Money.text(left)) USD are left, and this request may cost up to \(Money.text(worst))."
        case .tooManyAccounts: return "\(BudgetBook.accountsMax) clients have spent of it in this period, and no more are counted."
        case .reserved: return ""
        }
    }

    private static func fix(_ budget: Budget, _ now: Int64) -> String {
        guard let end = BudgetBook.end(of: budget, at: now) else { return "Raise the budget, or end what it is for." }
        return "Wait until \(Timestamp(milliseconds: end).rfc3339), ask for fewer tokens (max_tokens), or raise the budget."
    }

    /// 429: the provider was not asked.
    private func refuseBudget(_ asked: ModelExchange, why: String, fix: String) -> Bool {
        exchange?.variant.counters.counts.refuseBudget()
        guard let route = exchange?.variant.routeName else { return false }
        answer(429, what: "Route \(route) may not spend that much now.", why: why, fix: fix)
        endExchange(.clientFault, status: 429)
        if isOpen { finishAnswer() }
        return false
    }

    /// Who pays, where each client token has a budget of its own: the hash of its Authorization; one account for those without.
    private func clientToken(in bytes: Span<UInt8>) -> UInt64 {
        let name = Self.authorization
        for index in 0..<loop.parser.fields.count {
            let field = loop.parser.fields[index]
            if field.name.count == name.count, bytes.matchesWithoutCase(name, at: field.name.start) {
                return UnitID(of: bytes, field.value).hash
            }
        }
        return 0
    }
    private static let authorization = Array("authorization".utf8)
}

extension ModelExchange {
    /// Each byte a token, and an answer as long as it may be, at the dearest provider that may be asked. Nil without a price.
    func worstCost() -> Int64? {
        let output =
            call == .embeddings ? 0 : (facts.outputTokensMax ?? ClientConnection.outputTokensMax) * min(facts.choices, 1 << 20)
        var worst: Int64?
        for host in model.hosts {
            guard let price = host.price(of: facts.model) else { return nil }
            worst = max(worst ?? 0, price.cost(inputTokens: Int64(inputBytes), cachedTokens: 0, outputTokens: output))
        }
        return worst
    }

    /// Gives back what was set aside and takes what it did cost.
    func settle(_ cost: Int64, at now: Int64) {
        for account in accounts { model.book.settle(reserved: reserved, spent: cost, of: account, at: now) }
        (accounts, reserved) = ([], 0)
    }

    /// What it used, as it is recorded.
    func usage(of ended: Exchange, exposed: Exposure) -> Usage {
        var usage = Usage(
            request: exposed.request, route: exposed.route, variant: exposed.variant, propensity: exposed.propensity,
            unit: exposed.unit, at: exposed.at, retries: retries)
        if host > 0 { usage.flags.insert(.fallback) }
        if kind == .events { usage.flags.insert(.streamed) }
        if firstAt > 0 { usage.firstTokenMicroseconds = UInt32(clamping: (firstAt - ended.startedAt) / 1_000) }
        guard let (figures, isEstimated) = tokens(status: ended.status) else { return usage }
        if isEstimated { usage.flags.insert(.estimated) }
        (usage.inputTokens, usage.outputTokens) = (UInt32(clamping: figures.input), UInt32(clamping: figures.output))
        usage.cachedTokens = UInt32(clamping: figures.cached)
        if let price = asked.price(of: facts.model) {
            usage.costNanoUSD = price.cost(
                inputTokens: figures.input, cachedTokens: figures.cached, outputTokens: figures.output)
        } else {
            usage.flags.insert(.unpriced)
        }
        return usage
    }
}
