public import Faults
import JSON
public import Ledger

/// The providers of this installation, each change recorded before it counts. Restart is replay.
public actor ProviderService {
    public enum Outcome: String, Sendable { case created, changed, unchanged }

    public static let providersMax = 1_000
    /// How often a lost race is looked at anew before it is a fault.
    private static let racesMax = 8

    private let ledger: LedgerWriter
    private var providers: [String: Provider] = [:]
    private var heads: [String: Position] = [:]

    public init(ledger: LedgerWriter) { self.ledger = ledger }

    /// Replays the ledger.
    public func restore() async throws(Fault) {
        for entry in try await ledger.reader.entries(kind: "provider") { try absorb(entry) }
    }

    private func absorb(_ entry: LedgerEntry) throws(Fault) {
        let name = entry.resource.name
        guard entry.position > heads[name] ?? .none else { return }
        providers[name] = try entry.body.decoded(as: Provider.self)
        heads[name] = entry.position
    }

    public func provider(_ name: String) -> Provider? { providers[name] }
    public func list() -> [Provider] { providers.values.sorted { $0.name < $1.name } }

    /// Applies a `provider:` resource. The routes that use it follow when `RouteService.refresh(provider:)` is called.
    public func apply(_ provider: Provider, by: String) async throws(Fault) -> Outcome {
        for _ in 0..<Self.racesMax {
            let known = providers[provider.name]
            if known == provider { return .unchanged }
            guard known != nil || providers.count < Self.providersMax else {
                throw Fault(
                    .limitReached, what: "There cannot be another provider.", why: "\(Self.providersMax) is the limit.",
                    fix: "Change one that is there.")
            }
            for name in provider.fallback where providers[name] == nil {
                throw Fault(
                    .notFound, what: "Provider \(provider.name) cannot fall back to \(name).",
                    why: "No provider was applied under this name.", fix: "Apply \(name) first.")
            }
            let resource = ResourceID("provider", provider.name)
            do throws(AppendRefusal) {
                let draft = LedgerDraft(kind: "provider.applied", by: by, body: JSONValue(encoding: provider))
                let position = try await ledger.append(draft, to: resource, after: heads[provider.name] ?? .none)
                (providers[provider.name], heads[provider.name]) = (provider, position)
                return known == nil ? .created : .changed
            } catch {
                switch error {
                case .cannotRecord(let fault): throw fault
                case .moved:
                    for entry in try await ledger.reader.entries(kind: "provider", name: provider.name) { try absorb(entry) }
                }
            }
        }
        throw Fault(
            .conflict, what: "Provider \(provider.name) could not be changed.", why: "Others changed it meanwhile.",
            fix: "Try again.")
    }
}
