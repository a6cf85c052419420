import Faults
import JSON

/// `/api/v1/tokens`: who may do what.
enum TokenRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/tokens", .scope(.admin), "All tokens, revoked ones too; never a secret",
            gives: .object(["tokens": .array(of: token)])
        ) { call throws(Fault) in .list("tokens", await (try call.services).tokens.list().map(\.json)) },
        Endpoint(
            .post, "/api/v1/tokens", .scope(.admin), "Makes a token; its secret is in this answer and nowhere else",
            takes: .object(["name": .string("What it is called"), "scopes": .array(of: scope)]),
            gives: .object(["token": token, "secret": .string("What its holder sends")])
        ) { call throws(Fault) in
            let scopes = (call.body["scopes"]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap(TokenScope.init(rawValue:)) }
            let (token, secret) = try await call.services.tokens.create(
                call.body["name"]?.stringValue ?? "", scopes: scopes, by: call.by)
            return .json(["token": token.json, "secret": .string(secret.text)])
        },
        Endpoint(.delete, "/api/v1/tokens/{name}", .scope(.admin), "Revokes a token", gives: token) { call throws(Fault) in
            .json(try await call.services.tokens.revoke(call["name"], by: call.by).json)
        },
    ]

    private static let scope = Schema.oneOf(TokenScope.allCases.map(\.rawValue), "What it may do")
    private static let token = Schema.object([
        "name": .string("What it is called"), "scopes": .array(of: scope), "created_at": .string("RFC 3339"),
        "created_by": .string("On whose behalf"), "revoked_at": Schema.string("RFC 3339").orNull,
    ])
}
