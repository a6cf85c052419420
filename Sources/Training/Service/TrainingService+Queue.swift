import Conducting
public import Faults
import Glibc
public import JSON
import Ledger
import Telemetry

extension TrainingService {
    /// Looks at the queue, once for all that happened until then.
    func considerSoon() {
        queue.isWanted = true
        guard !queue.isLooking, !queue.isStopped else { return }
        queue.isLooking = true
        Task {
            while queue.isWanted, !queue.isStopped {
                queue.isWanted = false
                let decided = await consider()
                // A long queue takes long to decide upon: whatever comes meanwhile is decided upon together, and the rest of the
                // daemon has its processor.
                if queue.isWanted { try? await Task.sleep(for: min(decided * Self.pause, Self.pauseMax)) }
            }
            queue.isLooking = false
        }
    }

    /// The nodes as they are now, with what people said about them.
    func refreshNodes() {
        let nodes = engine.nodes(holding: queue.runs).map { node in
            var node = policies.completed(node)
            if let loss = queue.lost[node.name] { (node.health, node.remark) = (.lost, loss.why) }
            return node
        }
        guard nodes != queue.nodes else { return }
        queue.nodes = nodes
        queue.version += 1
    }

    /// How long a pass that follows another waits: so many times as long as the other decided, and never longer than that.
    private static let (pause, pauseMax) = (4, Duration.milliseconds(500))

    /// One pass: a snapshot in, decisions out, each committed against the snapshot's version. Returns how long it decided.
    private func consider() async -> Duration {
        let begun = ContinuousClock.now
        let machines = await conductors.machines().filter { $0.state == .queued || $0.state.isSeated }
        queue.runs = machines.filter(\.state.isSeated).map(EngineRun.init)
        refreshNodes()
        let snapshot = snapshot(of: machines)
        let decision = snapshot.decide()
        let decided = ContinuousClock.now - begun
        queue.hear(decision, at: snapshot.now)
        queue.ring(at: decision.lookAgain, now: .now()) { [weak self] in await self?.considerSoon() }
        for start in decision.starts {
            guard queue.version == snapshot.version, !queue.isStopped else {
                considerSoon()
                return decided
            }
            await commit(start, snapshot)
        }
        for (victim, other) in decision.preemptions {
            try? await conductors[victim]?.tell(.preempted(by: other), by: "scheduler")
        }
        await change(decision, snapshot)
        return decided
    }

    /// How many steps a measurement stands on, and how far a new one is from the last that was recorded.
    private static let stepsMeasured: Int64 = 20
    private static let change = 0.1

    /// Samples a second of one rank on the kind that it has, recorded where they are news: later jobs of the name are matched
    /// with kinds by them.
    func rememberThroughput(of machine: JobMachine) async {
        guard machine.state == .running, let board = boards[machine.name], let rate = board.samplesPerSecond, rate > 0,
            board.ranks.count >= machine.world, board.ranks.values.allSatisfy({ $0.steps >= Self.stepsMeasured }),
            let kind = kind(of: machine)
        else { return }
        let each = rate / Double(machine.world)
        let known = policies.throughputs(of: machine.name)
        if let before = known[kind], abs(each - before) <= Self.change * before { return }
        guard known.count < JobSpec.throughputsMax || known[kind] != nil else { return }
        try? await note(
            "throughput.measured", [kind: .number(each)], of: ResourceID("throughput", machine.name), by: "scheduler")
    }

    /// The kind of accelerator that its ranks have: one for all of them.
    private func kind(of machine: JobMachine) -> String? {
        guard let seat = machine.ranks.first?.seat, let resource = seat.resource, let device = seat.devices.first,
            let node = queue.nodes.first(where: { $0.name == seat.node })
        else { return nil }
        let kind = node.devices.map(\.kind).first { $0.resource == resource && node.numbers(of: $0).contains(device) }
        return kind.map { $0.model.isEmpty ? $0.resource : $0.model }
    }

    /// What the queue is looked at with.
    func snapshot(of machines: [JobMachine]) -> QueueSnapshot {
        let seated = Dictionary(machines.filter(\.state.isSeated).map { ($0.name, $0) }) { $1 }
        return QueueSnapshot(
            machines: machines, nodes: queue.nodes, version: queue.version, policy: policies.current,
            known: { name in
                .init(
                    secondsLeft: boards[name]?.secondsLeft, measured: policies.throughputs(of: name),
                    roomySince: queue.roomySince[name], scalesLive: seated[name].map(scalesLive) ?? false)
            }, now: .now())
    }

    private func commit(_ start: QueueSnapshot.Start, _ snapshot: QueueSnapshot) async {
        guard let first = start.seats.first, let ports = engine.ports(on: start.seats.map(\.node) + [first.node]) else {
            return log.error("no free ports for a job's ranks", ["job": .string(start.job)])
        }
        let seats = start.seats.enumerated().map { index, seat in
            JobMachine.Seat(
                node: seat.node, devices: seat.devices, resource: seat.resource, host: engine.host(of: seat.node),
                port: ports[index])
        }
        do throws(Fault) {
            try await conductors[start.job]?.tell(
                .placed(seats: seats, port: ports[seats.count], why: start.why), by: "scheduler")
        } catch {
            log.info("a placement came too late", ["job": .string(start.job), "why": .string(error.why)])
        }
    }

    // MARK: Nodes

    /// Every node with what is used of it.
    public func nodes() async -> JSONValue {
        refreshNodes()
        let seated = await conductors.machines().filter(\.state.isSeated)
        return .array(
            queue.nodes.map { node in
                let here = seated.flatMap { machine in machine.ranks.filter { $0.seat.node == node.name }.map { (machine, $0) } }
                let cpus = here.reduce(node.taken?.cpus ?? 0) { $0 + $1.0.spec.demand.cpus }
                let memory = here.reduce(node.taken?.memory ?? 0) { $0 + $1.0.spec.demand.memory }
                let devices = node.devices.map { devices -> JSONValue in
                    let numbers = node.numbers(of: devices.kind)
                    let used = here.filter { $0.1.seat.resource == devices.kind.resource }.reduce(0) {
                        $0 + $1.1.seat.devices.count { numbers.contains($0) }
                    }
                    return [
                        "resource": .string(devices.kind.resource), "model": .string(devices.kind.model),
                        "count": .integer(Int64(devices.count)), "used": .integer(Int64(used)),
                        "health": .string(devices.failed.isEmpty ? "ready" : "failed"),
                        "failed": .array(devices.failed.map { ["name": .string($0.name), "why": .string($0.why)] }),
                    ]
                }
                var members: [String: JSONValue] = [
                    "name": .string(node.name), "engine": .string(engine.name), "health": .string(node.health.rawValue),
                    "cpus": .number(Double(node.cpus) / 1_000), "cpus_used": .number(Double(cpus) / 1_000),
                    "memory_bytes": .integer(node.memory), "memory_used_bytes": .integer(memory), "accelerators": .array(devices),
                    "ranks": .integer(Int64(here.count)),
                    "jobs": .array(Set(here.map(\.0.name)).sorted().map { .string($0) }),
                    "labels": .object(node.labels.mapValues { .string($0) }),
                ]
                if let remark = node.remark { members["why"] = .string(remark) }
                return .object(members)
            })
    }

    /// Takes nothing new; `now` also ends what runs there, at a checkpoint.
    public func drain(node: String, now: Bool, by: String) async throws(Fault) -> JSONValue {
        try knowNode(node)
        if !policies.isDraining(node) { try await note("node.drained", [:], of: ResourceID("node", node), by: by) }
        refreshNodes()
        if now {
            for machine in await conductors.machines() where machine.state == .running || machine.state == .starting {
                guard machine.ranks.contains(where: { $0.seat.node == node }) else { continue }
                try? await conductors[machine.name]?.tell(.drained(node: node), by: by)
            }
        }
        considerSoon()
        return await nodes()
    }

    public func resume(node: String, by: String) async throws(Fault) -> JSONValue {
        try knowNode(node)
        if policies.isDraining(node) { try await note("node.resumed", [:], of: ResourceID("node", node), by: by) }
        considerSoon()
        return await nodes()
    }

    /// Gives labels, and takes away those of `removed` that were given so.
    public func label(node: String, set: [String: String], removed: [String], by: String) async throws(Fault) -> JSONValue {
        try knowNode(node)
        for (label, value) in set where !NodeLabel.isName(label) || !NodeLabel.isValue(value) {
            throw Fault(
                .usage, what: "'\(label)=\(value)' is no label.", why: "Labels and their values have \(NodeLabel.rule).",
                fix: "Write it like tier=gpu.")
        }
        let kept = policies.labels(of: node).merging(set) { _, new in new }
        guard kept.count <= NodeRule.labelsMax else {
            throw Fault(
                .limitReached, what: "\(node) cannot have so many labels.", why: "\(NodeRule.labelsMax) are kept.",
                fix: "Take some away: openclaw node label \(node) NAME-")
        }
        if let missing = removed.first(where: { policies.labels(of: node)[$0] == nil }) {
            throw Fault(
                .notFound, what: "\(node) has no label '\(missing)' that could be taken away.",
                why: "Only labels that were given with this command are; others come from its engine or a `node:` file.",
                fix: "openclaw node list shows them all.")
        }
        let change = PolicyBook.Labelling(set: set, removed: removed)
        try await note("node.labelled", JSONValue(encoding: change), of: ResourceID("node", node), by: by)
        considerSoon()
        return await nodes()
    }

    /// The content of a `node:` file; false when it is what holds already.
    public func apply(_ node: NodeSpec, by: String) async throws(Fault) -> Bool {
        try knowNode(node.name)
        guard policies.declaration(of: node.name) != node else { return false }
        try await note("node.declared", JSONValue(encoding: node), of: ResourceID("node", node.name), by: by)
        considerSoon()
        return true
    }

    /// The content of the queue's policy; false when it is what holds already.
    public func apply(_ policy: QueuePolicySpec, by: String) async throws(Fault) -> Bool {
        guard policy != policies.spec else { return false }
        try await note("queue_policy.applied", JSONValue(encoding: policy), of: PolicyBook.queue, by: by)
        considerSoon()
        return true
    }

    private func note(_ kind: String, _ body: JSONValue, of resource: ResourceID, by: String) async throws(Fault) {
        let position: Position
        do throws(AppendRefusal) {
            let draft = LedgerDraft(kind: kind, by: by, body: body)
            position = try await ledger.append(draft, to: resource, after: policies.head(of: resource))
        } catch {
            throw PolicyBook.fault(error, resource)
        }
        try policies.absorb(kind, body, of: resource, at: position)
    }

    private func knowNode(_ name: String) throws(Fault) {
        refreshNodes()
        let names = queue.nodes.map(\.name)
        guard !names.contains(name) else { return }
        throw Fault(
            .notFound, what: "There is no node \(name).", why: "The nodes are \(names.joined(separator: ", ")).",
            fix: Suggestion.closest(to: name, among: names).map { "Did you mean \($0)?" } ?? "openclaw node list shows them all.")
    }
}

/// Ports of this machine that nobody listens on now.
enum FreePorts {
    static func take(_ count: Int) -> [Int]? {
        var (ports, sockets): ([Int], [Int32]) = ([], [])
        defer { for descriptor in sockets { close(descriptor) } }
        for _ in 0..<count {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else { return nil }
            sockets.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
                }
            }
            guard isBound else { return nil }
            ports.append(Int(UInt16(bigEndian: address.sin_port)))
        }
        return ports
    }
}
