import Faults
import Gateway
import JSON
import Outcomes
import Providers
import Routing
import Telemetry

/// What routes spent of their budgets before this life: a restart gives nobody new money. Budgets of client tokens begin anew,
/// because the log does not say whose a request was.
enum SpentBudgets {
    /// Called before the gateway's first usage of this life is recorded, so that nothing counts twice.
    static func restore(of routes: [Route], from outcomes: OutcomeStore, into gateway: GatewayServer) async {
        let now = Timestamp.now()
        var since: [RouteID: Timestamp] = [:]
        var budgets: [(route: Route, budget: Budget)] = []
        for route in routes {
            for budget in route.budgets ?? [] where budget.scope == .route {
                since[route.id] = Timestamp(milliseconds: BudgetBook.start(of: budget, at: now.milliseconds))
                budgets.append((route, budget))
            }
        }
        guard !budgets.isEmpty else { return }
        do {
            let spent = try await outcomes.spending(since: since)
            for (route, budget) in budgets {
                if let amount = spent[route.id] { gateway.charge(amount, route: route.name, budget: budget) }
            }
        } catch {
            Log("budgets").error("what was spent before cannot be read", ["why": .string(error.why)])
        }
    }
}
