import Faults
import Glibc
import Ledger
import Processes
import Synchronization
import Worker

/// Starts Workers on the nodes of a Slurm cluster: one allocation for each run of a job, and in it a step of its own for each
/// Worker. The folders of jobs, and this program, stand on a file system that the nodes share.
final class SlurmEngine: Engine {
    static let name = "slurm"
    var name: String { Self.name }
    var isRemote: Bool { true }

    /// What Slurm said last.
    private struct Picture {
        var nodes: [SlurmNode] = []
        var waiting: [SlurmAllocations.Allocation] = []
        var fault: Fault?
    }

    private let program: String
    private let command: SlurmCommand
    private let allocations: SlurmAllocations
    private let picture = Mutex(Picture())
    private let prefix: String

    /// `installation` tells this daemon's allocations from those of others of the same user.
    init(program: String, settings: SlurmSettings, folder: String, installation: String) {
        self.program = program
        command = SlurmCommand(folder: "\(folder)/slurm")
        allocations = SlurmAllocations(command, options: settings.options, installation: installation)
        prefix = installation
    }

    // MARK: Inventory

    func nodes(holding runs: [EngineRun]) -> [Node] {
        SlurmInventory(nodes: picture.withLock(\.nodes), runs: runs).placeable()
    }

    /// A controller that does not answer leaves the picture as it was: jobs run on without it.
    func look() async {
        do throws(Fault) {
            let nodes = SlurmNode.parse(
                try await command.run(["sinfo", "--all", "--Node", "--noheader", "--Format=\(SlurmNode.format)"]))
            let waiting = try await allocations.listed().filter(\.waits)
            picture.withLock { $0 = Picture(nodes: nodes, waiting: waiting, fault: nil) }
        } catch {
            picture.withLock { $0.fault = error }
        }
    }

    /// Why Slurm was not seen at the last look; nil where it was.
    var fault: Fault? { picture.withLock(\.fault) }

    func host(of node: String) -> String {
        picture.withLock(\.nodes).first { $0.name == node }?.address ?? node
    }

    /// Of this machine those that nobody listens on. What is free elsewhere cannot be asked from here: numbers by chance, from
    /// below the range that systems give out by themselves.
    func ports(on nodes: [String]) -> [Int]? {
        guard let free = FreePorts.take(nodes.count) else { return nil }
        return zip(nodes, free).map { node, free in
            ["127.0.0.1", "localhost"].contains(host(of: node)) ? free : Int.random(in: 15_000...32_000)
        }
    }

    // MARK: Starting

    func start(_ plan: WorkerPlan, of run: EngineRun) async throws(Fault) -> EngineHandle {
        let nodes = picture.withLock(\.nodes)
        let allocation = try await allocations.allocation(for: plan.slot, life: plan.life, of: run, on: nodes)
        try plan.write(to: plan.path)
        let wish = SlurmWish(run, on: nodes)
        var options = [
            "--jobid=\(allocation.id)", "--nodelist=\(plan.node)", "--nodes=1", "--ntasks=1", "--overlap", "--no-kill", "--mem=0",
            // Ranks of a job share its CPUs on their node: a step of one CPU each could be given the same one.
            "--cpus-per-task=\(max(1, wish.cpus(on: plan.node)))", "--input=none", "--quiet",
            "--chdir=\(plan.folder)", "--job-name=\(step(of: plan))",
        ]
        if let resource = SlurmWish(run, slots: plan.life == 0 ? nil : [plan.slot], on: nodes).resource {
            options.append("--gres=\(resource)")
        }
        let child = try command.start(
            ["srun"] + options + ["--", program, "worker", plan.path], output: EngineLog.path(in: plan.folder),
            in: plan.folder, outputLimit: EngineLog.bytesMax)
        return handle(allocation.id, plan, child.processID, child.startTime)
    }

    func find(_ plan: WorkerPlan, of run: EngineRun) async -> EngineHandle? {
        guard let steps = try? await steps() else { return nil }
        let wanted = step(of: plan)
        guard let step = steps.first(where: { $0.name == wanted }) else { return nil }
        return handle(step.allocation, plan, 0, 0)
    }

    /// Unlike that of any other Worker, ever.
    private func step(of plan: WorkerPlan) -> String {
        "\(prefix)/\(plan.job)/\(plan.slot).\(plan.life)/\(SHA256.digest(of: plan.folder).hex.prefix(12))"
    }

    // MARK: Handles

    /// `4711|ab12/job/0.0/8e4f|1234`: the allocation, the step's name in it, and the process of srun here.
    private func handle(_ allocation: String, _ plan: WorkerPlan, _ process: Int32, _ startTime: UInt64) -> EngineHandle {
        EngineHandle(engine: Self.name, id: "\(allocation)|\(step(of: plan))|\(process)", startTime: startTime)
    }

    private struct Parts {
        let allocation: String
        let step: String
        let child: Child?

        init?(_ handle: EngineHandle) {
            let parts = handle.id.split(separator: "|").map(String.init)
            guard parts.count == 3, let process = Int32(parts[2]) else { return nil }
            (allocation, step) = (parts[0], parts[1])
            child =
                process > 0 ? Child.adopt(processID: process, startTime: handle.startTime, outputLimit: EngineLog.bytesMax) : nil
        }
    }

    /// Steps of this user that run: their number (`4711.3`), allocation and name.
    private func steps() async throws(Fault) -> [(number: String, allocation: String, name: String)] {
        let text = try await command.run(["squeue", "--me", "--steps", "--noheader", "--format=%i|%j"])
        return text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", maxSplits: 1).map(String.init)
            guard cells.count == 2, let dot = cells[0].firstIndex(of: ".") else { return nil }
            return (cells[0], String(cells[0][..<dot]), cells[1])
        }
    }

    /// The number of a handle's step; nil where it is over.
    private func number(of parts: Parts) async throws(Fault) -> String? {
        try await steps().first { $0.allocation == parts.allocation && $0.name == parts.step }?.number
    }

    /// A controller that does not answer has not ended it.
    private func isOver(_ parts: Parts) async -> Bool {
        do { return try await number(of: parts) == nil } catch { return false }
    }

    // MARK: Watching and stopping

    /// srun ends with its step. A step outlives its srun where that is killed, or where this machine begins anew: then Slurm is
    /// asked, now and then.
    func wait(for handle: EngineHandle) async {
        guard let parts = Parts(handle) else { return }
        if let child = parts.child { _ = await child.wait() }
        while !Task.isCancelled {
            if await isOver(parts) { return }
            try? await Task.sleep(for: .seconds(2))
        }
    }

    func ask(_ handle: EngineHandle) async { await signal(handle, "TERM") }

    /// Slurm kills all that a step has started, wherever it went.
    func kill(_ handle: EngineHandle?, mark: String) async {
        if let handle, let parts = Parts(handle) {
            await signal(handle, "KILL")
            let deadline = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < deadline, !Task.isCancelled {
                if await isOver(parts) { break }
                try? await Task.sleep(for: .milliseconds(200))
            }
            await parts.child?.stop(grace: .zero)
        }
        await ProcessGroup.sweep(marked: mark)
    }

    private func signal(_ handle: EngineHandle, _ name: String) async {
        guard let parts = Parts(handle), let step = try? await number(of: parts) else { return }
        // Its complaints about a step that is ending anyway are none of ours.
        _ = try? await command.run(["scancel", "--signal=\(name)", step])
    }

    // MARK: The queue of Slurm itself

    func hindrance(of run: EngineRun) -> String? {
        let (waiting, fault) = picture.withLock { ($0.waiting, $0.fault) }
        if let own = waiting.first(where: { allocations.isOf(run, $0) }) {
            return "Slurm's allocation \(own.id) waits: \(own.reason)"
        }
        return fault.map { "\($0.what) \($0.why)" }
    }

    func settle(running: @Sendable () async -> [EngineRun]) async { try? await allocations.settle(running: running) }

    func log(in folder: String) -> String { EngineLog.tail(in: folder) }
}
