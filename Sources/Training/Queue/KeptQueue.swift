/// The jobs that wait and run on a cluster, kept from one moment to the next, so that a look at them costs what has changed and
/// not what waits. A value: the same calls give the same answers.
public protocol KeptQueue: Sendable {
    /// What the caller names a job by, from `submit` until `end`.
    typealias Ticket = Int

    /// With the places of running jobs taken.
    var cluster: Cluster { get }
    /// How many jobs wait.
    var waiting: Int { get }
    /// A job as it was when it last started, stopped or was submitted.
    subscript(ticket: Ticket) -> QueuedJob? { get }

    /// Takes a job, waiting or running. Running ones are submitted before the first pass.
    mutating func submit(_ job: QueuedJob, now: Int64) -> Ticket

    /// It has ended, or waits no more: what it had is free.
    mutating func end(_ ticket: Ticket)

    /// Starts what can start now, and stops what gives way: those run, and wait, from here on. Its `job`s are tickets; why the
    /// others wait is asked for with `wait`.
    mutating func pass(now: Int64) -> Schedule

    /// Why a job waits after the last pass; nil where that did not look at it.
    func wait(of ticket: Ticket) -> Schedule.Wait?

    /// When the next running job is expected to end, in the clock's milliseconds.
    var nextEnd: Int64? { get }

    /// Running jobs that are expected to end until then, the first first.
    func ended(by now: Int64) -> [Ticket]

    /// When a pass next decides something else though nothing has ended or arrived.
    var nextChange: Int64? { get }
}
