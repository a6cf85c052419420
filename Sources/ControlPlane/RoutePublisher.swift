import Faults
import Gateway
import Routing

/// Brings a new routing table to where it takes effect: first to disk, so that a gateway which starts without the database
/// serves it too, then to every loop of the gateway.
actor RoutePublisher {
    private let file: String
    private let gateway: GatewayServer
    /// Of the newest table on disk.
    private var written: Int64

    /// `onDisk` is the position of the table this life began with.
    init(file: String, gateway: GatewayServer, onDisk: Int64) { (self.file, self.gateway, self.written) = (file, gateway, onDisk) }

    /// Returns when every loop serves it; throws when they do not.
    func publish(_ table: RoutingTable) async throws(Fault) {
        if table.position > written {
            try table.write(to: file)
            written = table.position
        }
        try await gateway.publish(table)
    }

    /// What an experiment has spent of its budget in the present period, in billionths of a dollar.
    func spent(by experiment: String) -> Int64? { gateway.spent(by: experiment) }

    /// A ledger that ends before the table on disk was swapped for an older copy: to publish from it would undo what users
    /// were already served.
    func check(restored table: RoutingTable) throws(Fault) {
        guard table.position < written else { return }
        throw Fault(
            .unavailable, what: "The ledger is older than the routing table that is served.",
            why: "The table in \(file) is of ledger entry \(written), and the ledger's routes end at entry \(table.position).",
            fix: "Restore the newer ledger; or, to begin again with the older one, move \(file) away and restart.")
    }
}
