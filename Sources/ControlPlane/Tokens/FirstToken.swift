import Faults

/// The token a new home begins with: its secret stands in `admin.token`, readable by the owner alone.
enum FirstToken {
    static let name = "admin"

    /// The file is written before the ledger hears of it, so that a crash between the two is completed by the next start. A
    /// file that is missing later was taken away on purpose: it is not made again.
    static func ensure(in home: Home, _ tokens: TokenService) async throws(Fault) {
        guard await !tokens.knows(name) else { return }
        let secret: TokenSecret
        if let text = try TextFile.read(home.tokenFile, bytesMax: 1_024) {
            secret = TokenSecret(text: text.filter { !$0.isWhitespace })
            guard secret.isStrong else {
                throw Fault(
                    .unavailable, what: "\(home.tokenFile) does not hold an admin token.",
                    why: "It is not `oc_` and 64 hexadecimal digits: it was edited or cut short, and could be guessed.",
                    fix: "Remove it: a new one is made at the next try.")
            }
        } else {
            secret = TokenSecret.fresh()
            try TextFile.write(secret.text + "\n", to: home.tokenFile, mode: 0o600)
        }
        _ = try await tokens.record(secret, as: name, scopes: [.admin], by: "daemon")
    }
}
