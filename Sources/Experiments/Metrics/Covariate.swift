import Faults
import Outcomes
import Routing
import YAML

/// What a metric's `covariate:` names: what units were worth before the experiment began, for CUPED.
///
/// Its values are the unit's mean over the same route's base traffic before the plan: feedback of that name, or what the gateway
/// measured itself. What units did under an experiment's variants, an earlier attempt of this one perhaps, is left out: those
/// values follow the assignment, and an adjustment by them would take away the very effect that is looked for.
enum Covariate {
    /// What the gateway keeps of every answer.
    static let automatic: [AutomaticMetric] = [.latency, .error]

    static func read(
        _ name: String, of route: RouteID, upTo cursor: OutcomeStore.Cursor, _ outcomes: OutcomeStore, _ routes: RouteService
    ) async throws(Fault) -> PastValues {
        guard let known = await routes.table().routes.first(where: { $0.id == route }) else { return PastValues([:]) }
        let base = known.baseVariants.map(\.id)
        guard let measured = AutomaticMetric(rawValue: name) else {
            return try await outcomes.pasts(of: route, metric: name, among: base, upTo: cursor)
        }
        return try await outcomes.pasts(of: route, upTo: cursor) { exposure in
            base.contains(exposure.variant) ? measured.value(of: exposure) : nil
        }
    }

    static func check(_ name: String, of metric: Metric, at node: YAMLNode) throws(Fault) {
        if metric.kind == .quantile {
            throw node.fault(
                "a quantile has no covariate", why: "CUPED adjusts means, and a quantile is none",
                fix: "remove `covariate:`, or measure \(metric.name) as `type: mean`")
        }
        guard let measured = AutomaticMetric(rawValue: name), !automatic.contains(measured) else { return }
        throw node.fault(
            "\(name) cannot be a covariate", why: "what models used before is not kept by unit",
            fix: "name a feedback metric, \(automatic.map(\.rawValue).joined(separator: " or "))")
    }
}
