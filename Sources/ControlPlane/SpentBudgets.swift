import Faults
import Gateway
import JSON
import Outcomes
import Providers
import Routing
import Telemetry

/// What routes and experiments spent of their budgets before this life: a restart gives nobody new money. Budgets of client tokens
/// begin anew, because the log does not say whose a request was.
enum SpentBudgets {
    /// Called before the gateway's first usage of this life is recorded, so that nothing counts twice.
    static func restore(of routes: [Route], from outcomes: OutcomeStore, into gateway: GatewayServer) async {
        let now = Timestamp.now().milliseconds
        var asked: [OutcomeStore.Spending] = []
        var charges: [(Int64) -> Void] = []
        for route in routes {
            for budget in route.budgets ?? [] where budget.scope == .route {
                asked.append(.init(route: route.id, since: Timestamp(milliseconds: BudgetBook.start(of: budget, at: now))))
                charges.append { gateway.charge($0, route: route.name, budget: budget) }
            }
            for experiment in route.experiments {
                guard let budget = experiment.budget else { continue }
                let since = max(budget.since, BudgetBook.start(of: budget.budget, at: now))
                asked.append(
                    .init(route: route.id, variants: Set(experiment.arms), since: Timestamp(milliseconds: since)))
                charges.append { gateway.charge($0, experiment: experiment) }
            }
        }
        guard !asked.isEmpty else { return }
        do {
            let spent = try await outcomes.spending(on: asked)
            for (charge, amount) in zip(charges, spent) where amount > 0 { charge(amount) }
        } catch {
            Log("budgets").error("what was spent before cannot be read", ["why": .string(error.why)])
        }
    }
}
