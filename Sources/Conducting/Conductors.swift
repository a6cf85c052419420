public import Faults
import JSON
public import Ledger
import Telemetry

/// All resources of one kind, each with its conductor. A service holds one of these.
public struct Conductors<M: Machine>: Sendable {
    private var byName: [String: Conductor<M>] = [:]
    /// In order, kept so: they are walked through at every decision about all of them.
    public private(set) var names: [String] = []

    public init() {}

    public subscript(name: String) -> Conductor<M>? {
        get { byName[name] }
        set {
            let place = place(of: name)
            let isKnown = place < names.count && names[place] == name
            if newValue == nil, isKnown { names.remove(at: place) }
            if newValue != nil, !isKnown { names.insert(name, at: place) }
            byName[name] = newValue
        }
    }

    /// Before the first name that is not smaller.
    private func place(of name: String) -> Int {
        var (low, high) = (0, names.count)
        while low < high {
            let middle = (low + high) / 2
            if names[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    public var all: [Conductor<M>] { names.compactMap { byName[$0] } }

    /// What the ledger tells of each resource of this kind.
    public static func chronicles(in reader: LedgerReader) async throws(Fault) -> [String: Chronicle<M>] {
        var chronicles: [String: Chronicle<M>] = [:]
        for entry in try await reader.entries(kind: M.kind) {
            chronicles[entry.resource.name, default: Chronicle()].fold(entry)
        }
        return chronicles
    }

    /// Takes up where the last life ended. What this version does not conduct is said, and does not keep the others waiting.
    public func resume() async {
        let log = Log(M.kind)
        for conductor in all {
            if let fault = await conductor.hindrance {
                log.error(fault.what, [M.kind: .string(conductor.name), "why": .string(fault.why), "fix": .string(fault.fix)])
            } else if case let differences = await conductor.chronicle.differences, let first = differences.first {
                log.warning(
                    "recorded decisions stand that this version would take otherwise",
                    [
                        M.kind: .string(conductor.name), "count": .integer(Int64(differences.count)),
                        "entry": .integer(first.entry.index), "recorded": .string(first.recorded),
                        "decided": .string(first.decided),
                    ])
            }
            await conductor.resume()
        }
    }

    /// Why each of those that this version does not conduct is not conducted.
    public func hindrances() async -> [Fault] {
        var faults: [Fault] = []
        for conductor in all { if let fault = await conductor.hindrance { faults.append(fault) } }
        return faults
    }

    /// The machines of all that were ever begun, by name.
    public func machines() async -> [M] {
        var machines: [M] = []
        for conductor in all { if let machine = await conductor.machine { machines.append(machine) } }
        return machines
    }

    /// Each with where it stands, the latest applied first.
    public func latest() async -> [(conductor: Conductor<M>, chronicle: Chronicle<M>)] {
        var items: [(conductor: Conductor<M>, chronicle: Chronicle<M>)] = []
        for conductor in all { items.append((conductor, await conductor.chronicle)) }
        return items.sorted { $0.chronicle.appliedAt > $1.chronicle.appliedAt }
    }

    public func known(_ name: String) throws(Fault) -> Conductor<M> {
        if let conductor = byName[name] { return conductor }
        throw unknown(name)
    }

    public func unknown(_ name: String) -> Fault {
        let nearest = Suggestion.closest(to: name, among: byName.keys)
        return Fault(
            .notFound, what: "There is no \(M.kind) \(name).", why: "Nothing of that name was applied.",
            fix: nearest.map { "Did you mean \($0)?" } ?? "openclaw \(M.kind) list shows them all.")
    }

    /// Stops acting and waits for what is under way.
    public func drain() async { for conductor in all { await conductor.drain() } }
}
