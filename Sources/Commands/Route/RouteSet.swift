import Arguments
import Faults
import JSON
import Routing

/// `openclaw route set NAME v11=80% v12=20%`: returns when every loop serves the new split.
enum RouteSet {
    static let command = Command(
        "route set", summary: "Move shares by hand; returns when every loop serves them",
        discussion: "Variants that are not named keep nothing: the shares that are named add up to 100 %.",
        parameters: [.operand("NAME", "The route"), .operands("VARIANT=SHARE", "Such as v11=80% v12=20%")]
    ) { invocation in
        let shares = try shares(invocation.values("VARIANT=SHARE"))
        let route = try await APIClient(invocation).put(
            "/api/v1/routes/\(APIClient.segment(invocation.operand("NAME")))/split", ["shares": .object(shares)])
        Output(invocation).show(route) { style in RouteScreen.text(route, style) }
    }

    static func shares(_ words: [String]) throws(Fault) -> [String: JSONValue] {
        var shares: [String: JSONValue] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, let points = Share.basisPoints(String(parts[1])) else {
                throw Fault(
                    .usage, what: "'\(word)' is not a share.", why: "A share is VARIANT=PERCENT, with at most two decimals.",
                    fix: "Write it as v12=20%.")
            }
            guard shares.updateValue(.number(Double(points) / 10_000), forKey: String(parts[0])) == nil else {
                throw Fault(.usage, what: "\(parts[0]) has two shares.", why: "It is named twice.", fix: "Name each variant once.")
            }
        }
        return shares
    }
}
