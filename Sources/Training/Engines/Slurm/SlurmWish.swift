/// What is asked of Slurm for the ranks of one run: on each of their nodes so many CPUs, whole ones, with their memory.
struct SlurmWish: Equatable {
    /// By node, in order of name.
    private(set) var nodes: [(name: String, cpus: Int)] = []
    /// MiB for each CPU.
    private(set) var memoryPerCPU: Int64 = 0
    /// Of each node: `gpu:h100:2`.
    private(set) var resource: String?

    /// `slots`: those of the run's ranks that it is for; all of them where nil.
    init(_ run: EngineRun, slots: [Int]? = nil, on known: [SlurmNode]) {
        let seats = (slots ?? Array(run.seats.indices)).map { run.seats[$0] }
        for name in Set(seats.map(\.node)).sorted() {
            let here = seats.filter { $0.node == name }
            let cpus = max(1, (here.count * Int(run.demand.cpus) + 999) / 1_000)
            nodes.append((name, cpus))
            let node = known.first { $0.name == name }
            // A rank that names no memory gets the share of its CPUs: without a number many a cluster gives the whole node's.
            let share = node.map { $0.memory / Int64(max(1, $0.cpus)) } ?? 0
            let each = run.demand.memory > 0 ? Int64(here.count) * run.demand.memory / Int64(cpus) : share
            let rounded = run.demand.memory > 0 ? (each + (1 << 20) - 1) >> 20 : each >> 20
            memoryPerCPU =
                run.demand.memory > 0 ? max(memoryPerCPU, rounded) : memoryPerCPU == 0 ? rounded : min(memoryPerCPU, rounded)
            take(here, of: node)
        }
    }

    /// Slurm wants one number of cards for all nodes of an allocation: the greatest.
    private mutating func take(_ seats: [JobMachine.Seat], of node: SlurmNode?) {
        let count = seats.reduce(0) { $0 + $1.devices.count }
        guard count > 0, let wanted = seats[0].resource else { return }
        let given = node?.resources.first { SlurmInventory.kind(of: $0).resource == wanted }
        let name = given.map { $0.type.isEmpty ? $0.name : "\($0.name):\($0.type)" } ?? "gpu"
        let before = resource.flatMap { $0.split(separator: ":").last }.flatMap { Int($0) } ?? 0
        resource = "\(name):\(max(count, before))"
    }

    func cpus(on node: String) -> Int { nodes.first { $0.name == node }?.cpus ?? 0 }

    /// Of `salloc`: as many tasks on each node as it has CPUs there, which is the one way to say that nodes differ.
    var options: [String] {
        let list = nodes.flatMap { Array(repeating: $0.name, count: $0.cpus) }
        var options = [
            "--distribution=arbitrary", "--nodelist=\(list.joined(separator: ","))", "--ntasks=\(list.count)", "--cpus-per-task=1",
        ]
        if memoryPerCPU > 0 { options.append("--mem-per-cpu=\(memoryPerCPU)M") }
        if let resource { options.append("--gres=\(resource)") }
        return options
    }

    static func == (a: Self, b: Self) -> Bool {
        a.nodes.elementsEqual(b.nodes, by: ==) && a.memoryPerCPU == b.memoryPerCPU && a.resource == b.resource
    }
}
