import Faults
import JSON
import Ledger
import Telemetry

/// The tokens of this installation, each change recorded in the ledger without its secret. Restart is replay.
actor TokenService {
    static let tokensMax = 1_000

    private let ledger: LedgerWriter
    private var tokens: [String: Token] = [:]
    private var heads: [String: Position] = [:]

    init(ledger: LedgerWriter) { self.ledger = ledger }

    /// Replays the ledger.
    func restore() async throws(Fault) {
        for entry in try await ledger.reader.entries(kind: "token") { fold(entry) }
    }

    private func fold(_ entry: LedgerEntry) {
        let name = entry.resource.name
        heads[name] = entry.position
        switch entry.kind {
        case "token.created":
            guard let digest = entry.body["digest"]?.stringValue, let scopes = entry.body["scopes"]?.arrayValue else { return }
            tokens[name] = Token(
                name: name, scopes: scopes.compactMap { $0.stringValue.flatMap(TokenScope.init(rawValue:)) }, digest: digest,
                createdAt: entry.at, createdBy: entry.by, revokedAt: nil)
        case "token.revoked": tokens[name]?.revokedAt = entry.at
        default: break  // a later version's kind: this one has no use for it
        }
    }

    /// Whose token this is. Every digest is compared, each in constant time, so that the time taken tells nothing.
    func caller(presenting secret: String) -> Caller? {
        let presented = Array(TokenSecret(text: secret).digest.utf8)
        var found: Caller?
        for token in tokens.values where token.revokedAt == nil {
            if ConstantTime.equal(presented, Array(token.digest.utf8)) {
                found = Caller(token: token.name, scopes: Set(token.scopes))
            }
        }
        return found
    }

    func list() -> [Token] { tokens.values.sorted { $0.name < $1.name } }

    /// True when a token of this name was ever made.
    func knows(_ name: String) -> Bool { tokens[name] != nil }

    /// Makes a token. The secret is in the answer and nowhere else.
    func create(_ name: String, scopes: [TokenScope], by: String) async throws(Fault) -> (Token, TokenSecret) {
        let secret = TokenSecret.fresh()
        return (try await record(secret, as: name, scopes: scopes, by: by), secret)
    }

    /// Records a secret that already stands somewhere (the first admin token's file is written before it is recorded).
    func record(_ secret: TokenSecret, as name: String, scopes: [TokenScope], by: String) async throws(Fault) -> Token {
        try checkName(name)
        guard !scopes.isEmpty else {
            throw Fault(
                .usage, what: "A token without a scope can do nothing.", why: "No scope was named for '\(name)'.",
                fix: "Name at least one of \(TokenScope.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        if let existing = tokens[name], existing.revokedAt == nil {
            throw Fault(
                .conflict, what: "There is already a token named '\(name)'.",
                why: "It was created by \(existing.createdBy) at \(existing.createdAt.rfc3339).",
                fix: "Choose another name, or revoke it first: openclaw token revoke \(name).")
        }
        guard tokens.values.count(where: { $0.revokedAt == nil }) < TokenService.tokensMax else {
            throw Fault(
                .limitReached, what: "No more tokens can be created.", why: "\(TokenService.tokensMax) are in use.",
                fix: "Revoke those that nobody uses: openclaw token list.")
        }
        let scopes = TokenScope.allCases.filter(scopes.contains)
        let body: JSONValue = ["digest": .string(secret.digest), "scopes": .array(scopes.map { .string($0.rawValue) })]
        try await append(.init(kind: "token.created", by: by, body: body), to: name)
        guard let token = tokens[name] else { preconditionFailure("a recorded token was not folded") }
        return token
    }

    /// From now on nobody gets in with it.
    func revoke(_ name: String, by: String) async throws(Fault) -> Token {
        guard let token = tokens[name] else {
            let near = Suggestion.closest(to: name, among: tokens.keys).map { " Did you mean \($0)?" } ?? ""
            throw Fault(
                .notFound, what: "There is no token named '\(name)'.", why: "None was created under this name.",
                fix: "`openclaw token list` shows all.\(near)")
        }
        if token.revokedAt != nil { return token }
        try await append(.init(kind: "token.revoked", by: by, body: [:]), to: name)
        return tokens[name] ?? token
    }

    private func append(_ draft: LedgerDraft, to name: String) async throws(Fault) {
        let resource = ResourceID("token", name)
        do {
            let position = try await ledger.append(draft, to: resource, after: heads[name] ?? .none)
            guard let entry = try await ledger.reader.entry(at: position) else {
                preconditionFailure("a durable entry cannot be read")
            }
            fold(entry)
        } catch let refusal as AppendRefusal {
            throw TokenService.fault(refusal, name)
        } catch let fault as Fault {
            throw fault
        } catch {
            preconditionFailure("only these two are thrown")
        }
    }

    private static func fault(_ refusal: AppendRefusal, _ name: String) -> Fault {
        switch refusal {
        case .moved:
            Fault(
                .conflict, what: "Token '\(name)' was changed by somebody else at this moment.",
                why: "Another change of it was recorded first.", fix: "Look at it with `openclaw token list`, then try again.")
        case .cannotRecord(let fault): fault
        }
    }

    private func checkName(_ name: String) throws(Fault) {
        let allowed = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || byte == 0x2D
                || byte == 0x5F || byte == 0x2E
        }
        guard allowed, !name.isEmpty, name.utf8.count <= 64 else {
            throw Fault(
                .usage, what: "'\(name)' cannot be a token's name.", why: "Names have 1 to 64 of the characters a-z A-Z 0-9 - _ .",
                fix: "Choose another, such as ci-deploy.")
        }
    }
}
