import Faults
import Worker

/// What starts Workers, and knows the machines that they run on. Workers outlive the daemon: what one life of it started, the
/// next finds by the handle that was recorded, or by the plan where a crash came before the record.
protocol Engine: Sendable {
    /// `local`, `slurm`.
    var name: String { get }
    /// Workers may run on other machines: they come in over TCP, and a node can be lost.
    var isRemote: Bool { get }

    // MARK: Inventory

    /// The nodes as they were last seen. `runs`: what is seated on them now.
    func nodes(holding runs: [EngineRun]) -> [Node]
    /// Looks at the world again. Nothing is thrown: a world that does not answer is as it was.
    func look() async
    /// Where other ranks reach those of a node.
    func host(of node: String) -> String
    /// Ports for ranks to listen on, one for each of these nodes. Nil where none is left.
    func ports(on nodes: [String]) -> [Int]?

    // MARK: Start, watch, stop

    /// Writes the Worker's plan and starts it. Waits for as long as the engine's own queue makes it wait.
    func start(_ plan: WorkerPlan, of run: EngineRun) async throws(Fault) -> EngineHandle
    /// The Worker of a plan that runs already: one that a crash kept from being recorded.
    func find(_ plan: WorkerPlan, of run: EngineRun) async -> EngineHandle?
    /// Returns when its Worker has ended, or the task is cancelled.
    func wait(for handle: EngineHandle) async
    /// Asks the Worker to end its rank.
    func ask(_ handle: EngineHandle) async
    /// Ends the Worker, and with it its rank; then whatever that had started. `mark` stands in the environment of all of it.
    func kill(_ handle: EngineHandle?, mark: String) async
    /// Why a run that was placed does not start yet; nil where nothing is in its way.
    func hindrance(of run: EngineRun) -> String?
    /// Gives back what no run holds any more. `running` is asked once it is known what there is to give back.
    func settle(running: @Sendable () async -> [EngineRun]) async

    // MARK: Logs

    /// What the engine itself has to say about a Worker (not what the rank printed): the last lines.
    func log(in folder: String) -> String
}

/// One run of a job, as an engine sees it.
struct EngineRun: Equatable, Sendable {
    var job: String
    var attempt: Int
    var run: Int
    /// Of each rank.
    var demand: Demand
    /// By slot.
    var seats: [JobMachine.Seat]

    init(_ machine: JobMachine) {
        (job, attempt, run) = (machine.name, machine.attempt, machine.run)
        (demand, seats) = (machine.spec.demand, machine.ranks.map(\.seat))
    }

    func ranks(on node: String) -> Int { seats.count { $0.node == node } }
}

/// Which engine a daemon has.
public enum EngineChoice: Equatable, Sendable {
    case local
    case slurm(SlurmSettings)

    public static let names = [LocalEngine.name, SlurmEngine.name]
}

/// How Slurm is spoken to, and where its nodes reach this daemon.
public struct SlurmSettings: Equatable, Sendable {
    /// Options of `salloc` for every allocation: `--partition=gpu`, `--account=risk`, `--time=1-0`.
    public var options: [String]
    /// `host:port` that Workers come in by. Port 0 takes a free one, and keeps it.
    public var address: String
    public init(options: [String] = [], address: String) { (self.options, self.address) = (options, address) }
}
