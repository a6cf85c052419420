import Faults
import Glibc
import Processes
import Worker

/// Starts Workers on this machine.
struct LocalEngine: Engine {
    static let name = "local"
    var name: String { Self.name }
    var isRemote: Bool { false }

    /// This program: a Worker is another process of it.
    let program: String
    let inventory: LocalInventory

    init(program: String, declared: [Node.Devices] = []) {
        (self.program, inventory) = (program, LocalInventory(declared: declared))
    }

    func nodes(holding runs: [EngineRun]) -> [Node] { [inventory.node()] }
    func look() async {}
    func host(of node: String) -> String { "127.0.0.1" }
    func ports(on nodes: [String]) -> [Int]? { FreePorts.take(nodes.count) }

    func start(_ plan: WorkerPlan, of run: EngineRun) async throws(Fault) -> EngineHandle {
        try plan.write(to: plan.path)
        let child = try Child.start(
            ChildPlan(
                arguments: [program, "worker", plan.path], directory: plan.folder,
                // What it needs to start; the script's own environment stands in the plan.
                environment: plan.environment.filter { ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"].contains($0.key) },
                outputPath: EngineLog.path(in: plan.folder), outputLimit: EngineLog.bytesMax))
        return EngineHandle(engine: Self.name, id: "\(child.processID)", startTime: child.startTime)
    }

    func find(_ plan: WorkerPlan, of run: EngineRun) async -> EngineHandle? {
        for process in ProcessGroup.running(arguments: ["worker", plan.path]) {
            return EngineHandle(engine: Self.name, id: "\(process.processID)", startTime: process.startTime)
        }
        return nil
    }

    func wait(for handle: EngineHandle) async {
        guard let child = child(handle) else { return }
        _ = await child.wait()
    }

    func ask(_ handle: EngineHandle) async {
        guard let process = Int32(handle.id), child(handle)?.isRunning == true else { return }
        Glibc.kill(process, SIGTERM)
    }

    /// The kernel ends the rank with its Worker.
    func kill(_ handle: EngineHandle?, mark: String) async {
        if let handle, let child = child(handle) { await child.stop(grace: .zero) }
        await ProcessGroup.sweep(marked: mark)
    }

    func hindrance(of run: EngineRun) -> String? { nil }
    func settle(running: @Sendable () async -> [EngineRun]) async {}
    func log(in folder: String) -> String { EngineLog.tail(in: folder) }

    private func child(_ handle: EngineHandle) -> Child? {
        Int32(handle.id).flatMap { Child.adopt(processID: $0, startTime: handle.startTime, outputLimit: EngineLog.bytesMax) }
    }
}

/// What a Worker, and what starts it, print: nothing, where all is well.
enum EngineLog {
    static let bytesMax = 1 << 20
    static func path(in folder: String) -> String { "\(folder)/worker.log" }
    static func tail(in folder: String) -> String { Child.tail(of: path(in: folder)) }
}
