/// `/api/v1/audit`: the ledger's entries and their proofs.
enum AuditRoutes {
    static let endpoints: [Endpoint] = []
}
