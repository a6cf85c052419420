import Faults
import HTTP
import JSON

/// One request that was routed and admitted.
struct Call: Sendable {
    let request: HTTPRequest
    let parameters: [String: String]
    /// Whose token it carried; nil on open endpoints.
    let caller: Caller?
    /// The checked body: `null` where the endpoint takes none.
    let body: JSONValue
    let daemon: Daemon

    /// A path parameter. The router has matched it, so it is there.
    subscript(_ parameter: String) -> String {
        guard let value = parameters[parameter] else { preconditionFailure("the path declares no {\(parameter)}") }
        return value
    }

    /// The capabilities, or the fault that says why the control plane cannot work now.
    var services: Services {
        get throws(Fault) { try daemon.services() }
    }

    /// On whose behalf the ledger records what follows.
    var by: String { caller.map { "token:\($0.token)" } ?? "nobody" }

    /// A whole number from the query, within a range.
    func query(_ name: String, default standard: Int, in range: ClosedRange<Int>) throws(Fault) -> Int {
        guard let text = request.query(name) else { return standard }
        guard let value = Int(text), range.contains(value) else {
            throw Fault(
                .usage, what: "`\(name)` is not usable.", why: "It is '\(text)'.",
                fix: "Give a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return value
    }
}

/// Who a request comes from.
struct Caller: Equatable, Sendable {
    let token: String
    let scopes: Set<TokenScope>

    func may(_ wanted: TokenScope) -> Bool { scopes.contains { $0.includes(wanted) } }
}
