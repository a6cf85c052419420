import Faults

/// Finds the endpoint of a request. A literal segment goes before one in braces.
struct Router: Sendable {
    enum Match: Sendable {
        case found(Endpoint, parameters: [String: String])
        case wrongMethod(allowed: [String])
        case unknown(closest: String?)
    }

    let endpoints: [Endpoint]

    init(_ endpoints: [Endpoint]) {
        self.endpoints = endpoints
        let names = endpoints.map { "\($0.method.rawValue) \($0.path)" }
        precondition(Set(names).count == names.count, "an endpoint is declared twice")
    }

    func match(method: String, path: String) -> Match {
        let asked = path.split(separator: "/", omittingEmptySubsequences: true)
        let onPath = endpoints.compactMap { endpoint in
            Router.parameters(of: endpoint, in: asked).map { (endpoint: endpoint, parameters: $0) }
        }
        guard let mostLiteral = onPath.map(\.parameters.count).min() else { return .unknown(closest: closest(to: path)) }
        let candidates = onPath.filter { $0.parameters.count == mostLiteral }
        guard let hit = candidates.first(where: { $0.endpoint.method.rawValue == method }) else {
            return .wrongMethod(allowed: candidates.map(\.endpoint.method.rawValue).sorted())
        }
        return .found(hit.endpoint, parameters: hit.parameters)
    }

    private static func parameters(of endpoint: Endpoint, in asked: [Substring]) -> [String: String]? {
        let declared = endpoint.segments
        guard declared.count == asked.count else { return nil }
        var parameters: [String: String] = [:]
        for (pattern, segment) in zip(declared, asked) {
            if let name = Endpoint.parameter(pattern) {
                parameters[String(name)] = String(segment)
            } else if pattern != segment {
                return nil
            }
        }
        return parameters
    }

    /// The declared path nearest to a mistyped one, with the caller's own words where the path has braces.
    private func closest(to path: String) -> String? {
        let asked = path.split(separator: "/", omittingEmptySubsequences: true)
        guard asked.count <= 16, path.utf8.count <= 256 else { return nil }  // the distance costs length squared
        let known = endpoints.map { endpoint in
            "/"
                + endpoint.segments.enumerated().map { index, segment in
                    Endpoint.parameter(segment) != nil && index < asked.count ? String(asked[index]) : String(segment)
                }.joined(separator: "/")
        }
        return Suggestion.closest(to: path, among: Set(known))
    }
}
