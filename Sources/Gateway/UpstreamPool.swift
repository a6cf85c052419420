import Sockets

/// Where an upstream is, and what it has to prove before it is told anything.
struct UpstreamPlace: Hashable {
    let address: SocketAddress
    /// Set where TLS is spoken.
    var security: Security?

    struct Security: Hashable {
        /// Whom the certificate must be for.
        let host: String
        let client: TLSClient
    }
}

/// The connections of one loop to one upstream.
final class UpstreamTarget {
    let place: UpstreamPlace
    var address: SocketAddress { place.address }
    /// What the upstream gave to be known again by.
    var session: TLSSession?
    /// When the log was last told that TLS failed here: monotonic nanoseconds.
    var complainedAt = -UpstreamTarget.complaintNanoseconds
    /// Kept open between requests; the one used last is used next, so that the others can age out.
    private var idle: [UpstreamConnection] = []
    private(set) var connections = 0
    /// Whether the loop's table has a variant here: else a finished connection is not kept.
    var isServed = true
    /// How it has been answering; looked at where another could be asked.
    var health = UpstreamHealth()

    /// Per loop and address; a request that finds them all busy is answered with 503.
    static let connectionsMax = 4_096
    private static let idleMax = 512
    /// Shorter than the 5 s after which common servers close an idle connection, so that they rarely close one we are using.
    static let idleMilliseconds: Int64 = 4_000
    /// Between two lines in the log about the same upstream.
    static let complaintNanoseconds: Int64 = 10_000_000_000

    init(place: UpstreamPlace) { self.place = place }

    var hasRoom: Bool { connections < Self.connectionsMax }

    /// One that has served before, if there is any.
    func takeIdle() -> UpstreamConnection? {
        while let connection = idle.popLast() {
            if connection.isOpen { return connection }
        }
        return nil
    }

    /// False when enough are kept already.
    func keep(_ connection: UpstreamConnection) -> Bool {
        guard isServed, idle.count < Self.idleMax else { return false }
        idle.append(connection)
        return true
    }

    func opened() { connections += 1 }

    func closed(_ connection: UpstreamConnection) {
        connections -= 1
        if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    }

    func closeIdle() {
        let all = idle
        idle = []
        for connection in all { connection.close() }
    }
}

/// The upstreams of one loop's table.
struct UpstreamPool {
    private var targets: [UpstreamPlace: UpstreamTarget] = [:]

    /// Gives each variant of the table its upstream, and closes the idle connections of those that are no longer in it.
    mutating func adopt(_ table: CompiledTable) {
        let before = targets
        targets = [:]
        for variant in table.variants {
            if let model = variant.model {
                for host in model.hosts { host.target = host.place.map { target(at: $0, before: before) } }
            } else if let place = variant.place {
                variant.target = target(at: place, before: before)
            }
        }
        for target in targets.values { target.isServed = true }
        for (place, target) in before where targets[place] == nil {
            target.isServed = false
            target.closeIdle()
        }
    }

    private mutating func target(at place: UpstreamPlace, before: [UpstreamPlace: UpstreamTarget]) -> UpstreamTarget {
        let target = targets[place] ?? before[place] ?? UpstreamTarget(place: place)
        targets[place] = target
        return target
    }

    func closeIdle() {
        for target in targets.values { target.closeIdle() }
    }
}
