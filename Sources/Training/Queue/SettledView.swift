/// The nodes as they would be if every running job that stands behind a certain turn had given up its place: whether there is
/// room for the job whose turn it is, at the cost of those behind it. It is kept as jobs come and go, and moved from turn to turn.
struct SettledView: Sendable {
    private(set) var cluster: Cluster
    let look: GangLook
    /// Running jobs ahead of this have their places; so have those that may not be stopped.
    private(set) var bound: Turn
    /// Whose turn it is.
    var head: JobQueue.Ticket
    /// The last pass that asked it.
    var asked: Int

    init(for gang: Gang, head: JobQueue.Ticket, on cluster: Cluster, bound: Turn, asked: Int) {
        self.cluster = cluster.prepared(onlyFor: gang)
        look = GangLook(gang, on: self.cluster)
        (self.head, self.bound, self.asked) = (head, bound, asked)
    }

    var holds: Bool { cluster.holds(look) }

    /// A job that may be stopped starts (`from` nil), ends (`to` nil) or changes its turn.
    mutating func change(_ placement: Placement, from: Turn?, to: Turn?) {
        let (hadPlace, hasPlace) = (from.map { $0 < bound } ?? false, to.map { $0 < bound } ?? false)
        if hadPlace, !hasPlace { cluster.giveBack(placement) }
        if hasPlace, !hadPlace { cluster.take(placement) }
    }

    /// One that may not be stopped: ahead of everybody.
    mutating func take(_ placement: Placement) { cluster.take(placement) }
    mutating func giveBack(_ placement: Placement) { cluster.giveBack(placement) }

    mutating func move(
        to turn: Turn, past running: SortedChunks<PreemptingQueue.Entry>, places: (JobQueue.Ticket) -> Placement?
    ) {
        let (here, there) = (PreemptingQueue.Entry(turn: bound, ticket: -1), PreemptingQueue.Entry(turn: turn, ticket: -1))
        if bound < turn {
            running.walk(from: here, to: there) { if let placement = places($0.ticket) { cluster.take(placement) } }
        } else {
            running.walk(from: there, to: here) { if let placement = places($0.ticket) { cluster.giveBack(placement) } }
        }
        bound = turn
    }
}
