import Conducting
import Faults
import Glibc
import Ledger
import Processes
import Registry
import Telemetry
import Worker

extension TrainingService {
    /// Does what a job decided.
    func perform(_ call: EffectCall<JobMachine>) async throws(Fault) -> JobMachine.Event {
        switch call.intent.effect {
        case .launch(let slot, let life): return try await launch(slot, life, call.machine)
        case .dismiss(let slot, let life):
            await dismiss(slot, life, call.machine)
            return .dismissed(slot: slot, life: life)
        case .stop(let seconds, let checkpoint):
            await stop(call.machine, within: seconds, checkpoint: checkpoint)
            return .stopAsked
        case .kill:
            await kill(call.machine)
            return .killed
        case .register: return try await register(call.machine)
        }
    }

    /// A Worker that was started and not recorded still runs.
    func query(_ call: EffectCall<JobMachine>) async -> Handlers<JobMachine>.Finding {
        guard case .launch(let slot, let life) = call.intent.effect else { return .absent }
        let folder = call.machine.plan.rankFolder(run: call.machine.run, slot: slot, life: life)
        guard let plan = try? WorkerPlan(reading: WorkerPlan.path(in: folder)),
            let handle = await engine.find(plan, of: EngineRun(call.machine))
        else { return .absent }
        return .done(.launched(slot: slot, life: life, handle: handle))
    }

    // MARK: Starting

    private func launch(_ slot: Int, _ life: Int, _ machine: JobMachine) async throws(Fault) -> JobMachine.Event {
        guard machine.ranks.indices.contains(slot), machine.ranks[slot].life == life else {
            throw Fault(
                .conflict, what: "Rank \(slot) of \(machine.name) was not started.", why: "It is not needed any more.",
                fix: "Nothing needs to be done.")
        }
        let machine = engine.isRemote && life > 0 ? try await reseated(slot, life, machine) : machine
        let plan = machine.plan
        var key = machine.key(slot)
        key.life = life
        try SocketFolder.make(sockets)
        let folder = plan.rankFolder(run: machine.run, slot: slot, life: life)
        for path in [folder, plan.logs, plan.checkpoints] { try PlainFiles.make(path) }
        beginDigest(of: machine)
        let token = SHA256Text.fresh()
        try await theDesk().expect(key, token: token, world: machine.world)
        let socket = SocketFolder.socket(in: sockets, of: key)
        let environment = RankEnvironment(
            machine: machine, slot: slot, life: life, adapter: settings.adapter, socket: socket,
            secret: try RunSecret.of(machine), isRemote: engine.isRemote)
        var worker = WorkerPlan(
            job: machine.name, attempt: machine.run, slot: slot, life: life, world: machine.world,
            node: machine.ranks[slot].seat.node, daemon: await theDesk().address, token: token,
            command: ["/bin/sh", "-c", plan.spec.run], directory: plan.directory, environment: environment.values, folder: folder,
            socket: socket, log: plan.log(of: slot), memoryMax: plan.spec.demand.memory,
            cpusMax: plan.spec.demand.cpus == JobSpec.cpusStandard ? 0 : plan.spec.demand.cpus)
        worker.identity = try authority?.worker(named: "rank \(slot) of \(machine.name)")
        worker.devices = environment.share
        let handle = try await engine.start(worker, of: EngineRun(machine))
        await theDesk().begin(key)
        return .launched(slot: slot, life: life, handle: handle)
    }

    /// What everything that a rank starts carries in its environment.
    func mark(of key: RankKey) -> String { "OPENCLAW_WORKER_SOCKET=\(SocketFolder.socket(in: sockets, of: key))" }

    // MARK: Stopping

    /// One rank that the others go on without; whatever it left goes with it.
    private func dismiss(_ slot: Int, _ life: Int, _ machine: JobMachine) async {
        let key = RankKey(job: machine.name, attempt: machine.attempt, run: machine.run, slot: slot, life: life)
        await theDesk().forget(job: key.job, attempt: key.attempt, run: key.run, slot: slot, life: life)
        let rank = machine.ranks.indices.contains(slot) ? machine.ranks[slot] : nil
        await engine.kill(rank?.life == life ? rank?.handle : nil, mark: mark(of: key))
    }

    private func stop(_ machine: JobMachine, within seconds: Int, checkpoint: Bool) async {
        for (slot, rank) in machine.ranks.enumerated() where !rank.isGone {
            var (order, stop) = (Order(), Stop())
            (stop.withinSeconds, stop.checkpoint) = (Double(seconds), checkpoint)
            order.stop = stop
            if await theDesk().tell(machine.key(slot), order) { continue }
            if let handle = rank.handle { await engine.ask(handle) }
        }
    }

    private func kill(_ machine: JobMachine) async {
        for (slot, rank) in machine.ranks.enumerated() where !rank.isGone {
            await engine.kill(rank.handle, mark: mark(of: machine.key(slot)))
        }
    }

    // MARK: Finishing

    /// The output becomes a version of its model. What is stored is a folder around it, as builds of releases store theirs.
    private func register(_ machine: JobMachine) async throws(Fault) -> JobMachine.Event {
        let plan = machine.plan
        guard let output = plan.spec.output, let id = VersionID(output.register) else {
            throw Fault(what: "\(machine.name) has nothing to register.", why: "It has no output.", fix: "Add `output:`.")
        }
        let path = "\(plan.directory)/\(boards[machine.name]?.output ?? output.path)"
        guard PlainFiles.identity(path) != nil else {
            throw Fault(
                what: "\(machine.name) made no output.", why: "It ended well and left nothing at \(path).",
                fix: "Save the model there, or correct `output.path:`.")
        }
        let around = "\(plan.folder)/output"
        try PlainFiles.make(around)
        try await copy(path, to: "\(around)/artifact", plan)
        let digest = try await registry.artifacts.store(around)
        let version = Version(id: id, digest: digest, source: .artifact, lineage: try await lineage(of: machine))
        _ = try await registry.register(version, by: "training_job/\(machine.name)")
        return .registered(version: output.register, digest: digest)
    }

    private func copy(_ path: String, to place: String, _ plan: JobPlan) async throws(Fault) {
        let child = try Child.start(
            ChildPlan(
                arguments: ["/bin/sh", "-c", "rm -rf \"$2\" && cp -a \"$1\" \"$2\"", "copy", path, place], directory: plan.folder,
                environment: ["PATH": "/usr/bin:/bin"], outputPath: "\(plan.folder)/copy.log"))
        let status = await child.wait(limit: .seconds(3_600))
        guard status == .exited(code: 0) else {
            throw Fault(
                what: "The output of \(plan.spec.name) could not be kept.", why: Child.tail(of: "\(plan.folder)/copy.log"),
                fix: "See that the disk has room and the files can be read.")
        }
    }

    /// What a job trains on is read once, beside its first steps: later it may have changed.
    private func beginDigest(of machine: JobMachine) {
        guard let paths = machine.spec.data, machine.run == 1, boards[machine.name]?.dataDigest == nil,
            digesting.insert(machine.rollKey).inserted
        else { return }
        let digest = DataDigest(paths: paths, in: machine.plan.directory)
        Task { [weak self] in
            let found = try? await digest.digest()
            await self?.keepDigest(found, of: machine)
        }
    }

    private func keepDigest(_ digest: String?, of machine: JobMachine) async {
        digesting.remove(machine.rollKey)
        guard let digest, let now = await conductors[machine.name]?.machine, now.attempt == machine.attempt else { return }
        boards[machine.name]?.dataDigest = digest
    }

    /// From what a version was made: the submission, the files the job ran from, and what it measured.
    private func lineage(of machine: JobMachine) async throws(Fault) -> Lineage {
        var inputs = ["job": "sha256:" + SHA256Text.digest(machine.plan.spec)]
        let code = FolderDigest(of: machine.plan.directory, without: [machine.spec.output?.path].compactMap { $0 })
        if let digest = await code.digest() { inputs["code"] = "sha256:" + digest }
        if let paths = machine.spec.data {
            let known = board(of: machine).dataDigest
            let digest: String
            if let known {
                digest = known
            } else {
                digest = try await DataDigest(paths: paths, in: machine.plan.directory).digest()
            }
            inputs["data"] = "sha256:" + digest
        }
        let board = board(of: machine)
        var measured = board.values.mapValues { "\($0)" }
        measured["step"] = "\(board.step)"
        for (name, value) in measured { inputs["metric.\(name)"] = value }
        return Lineage(by: "training_job/\(machine.name)", command: machine.spec.run, inputs: inputs)
    }
}
