/// What Slurm's nodes have, seen as nodes that jobs are placed on.
struct SlurmInventory {
    let nodes: [SlurmNode]
    let runs: [EngineRun]

    func placeable() -> [Node] { nodes.map(node) }

    private func node(_ seen: SlurmNode) -> Node {
        var node = Node(
            seen.name, cpus: Int64(seen.cpus) * 1_000, memory: seen.memory, devices: Self.devices(seen.resources),
            labels: ["host": seen.address], health: seen.health)
        for feature in seen.features { node.labels[feature] = "true" }
        node.remark = seen.remark
        node.taken = taken(seen)
        return node
    }

    /// What others hold, and what Slurm rounds up for ours (whole CPUs; of memory a share, where a rank names none).
    private func taken(_ seen: SlurmNode) -> Node.Taken {
        var ours = (cpus: 0, memory: Int64(0))
        var exact = Node.Taken()
        for run in runs {
            let ranks = run.ranks(on: seen.name)
            guard ranks > 0 else { continue }
            let wish = SlurmWish(run, on: nodes)
            ours.cpus += wish.cpus(on: seen.name)
            ours.memory += Int64(wish.cpus(on: seen.name)) * wish.memoryPerCPU << 20
            exact.cpus += Int64(ranks) * run.demand.cpus
            exact.memory += Int64(ranks) * run.demand.memory
        }
        return Node.Taken(
            cpus: max(0, Int64(max(seen.cpusTaken, ours.cpus)) * 1_000 - exact.cpus),
            memory: max(0, max(seen.memoryTaken, ours.memory) - exact.memory))
    }

    /// Slurm counts every vendor's cards as `gpu`; the type, where there is one, tells whose they are.
    static func devices(_ resources: [SlurmNode.Resource]) -> [Node.Devices] {
        resources.map { Node.Devices(kind(of: $0), count: $0.count) }
    }

    static func kind(of resource: SlurmNode.Resource) -> AcceleratorKind {
        let model = resource.type.uppercased()
        guard resource.name == "gpu" else { return AcceleratorKind(resource: resource.name, model: model) }
        return AcceleratorKind(resource: model.hasPrefix("MI") ? "amd.com/gpu" : "nvidia.com/gpu", model: model)
    }
}
