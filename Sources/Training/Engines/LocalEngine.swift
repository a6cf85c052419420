import Faults
import Glibc
import Processes
import Worker

/// Starts Workers on this machine.
public struct LocalEngine: Sendable {
    public static let name = "local"

    /// This program: a Worker is another process of it.
    let program: String
    let inventory: LocalInventory

    public init(program: String, declared: [Node.Devices] = []) {
        (self.program, inventory) = (program, LocalInventory(declared: declared))
    }

    public func nodes() -> [Node] { [inventory.node()] }

    static let planName = "worker.json"

    /// Writes the Worker's plan and starts it.
    func start(_ plan: WorkerPlan) throws(Fault) -> EngineHandle {
        let file = "\(plan.folder)/\(Self.planName)"
        try plan.write(to: file)
        let child = try Child.start(
            ChildPlan(
                arguments: [program, "worker", file], directory: plan.folder,
                // What it needs to start; the script's own environment stands in the plan.
                environment: plan.environment.filter { ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"].contains($0.key) },
                outputPath: "\(plan.folder)/worker.log", outputLimit: 1 << 20))
        return EngineHandle(engine: Self.name, id: "\(child.processID)", startTime: child.startTime)
    }

    /// The Worker of a plan that runs already: one that a crash kept from being recorded.
    func find(planned folder: String) -> EngineHandle? {
        let wanted = "\(folder)/\(Self.planName)"
        for process in ProcessGroup.running(arguments: ["worker", wanted]) {
            return EngineHandle(engine: Self.name, id: "\(process.processID)", startTime: process.startTime)
        }
        return nil
    }

    /// Returns when its Worker's process has ended.
    func wait(for handle: EngineHandle) async {
        guard let child = child(handle) else { return }
        _ = await child.wait()
    }

    func isAlive(_ handle: EngineHandle) -> Bool { child(handle)?.isRunning ?? false }

    /// Asks the Worker to end its rank.
    func ask(_ handle: EngineHandle) {
        guard let process = Int32(handle.id), isAlive(handle) else { return }
        Glibc.kill(process, SIGTERM)
    }

    /// Ends the Worker, and with it (the kernel sees to that) its rank; then whatever that had started.
    func kill(_ handle: EngineHandle?, mark: String) async {
        if let handle, let child = child(handle) { await child.stop(grace: .zero) }
        await ProcessGroup.sweep(marked: mark)
    }

    private func child(_ handle: EngineHandle) -> Child? {
        Int32(handle.id).flatMap { Child.adopt(processID: $0, startTime: handle.startTime, outputLimit: 1 << 20) }
    }
}
