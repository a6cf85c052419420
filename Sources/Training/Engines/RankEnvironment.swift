import Glibc

/// What a rank's command finds in its environment (docs/protocols/worker.md).
struct RankEnvironment {
    let machine: JobMachine
    let slot: Int
    let life: Int
    let adapter: Adapter
    let socket: String
    /// What the run's ranks prove to each other that they belong together.
    let secret: String
    /// Ranks may be on other machines than this one.
    let isRemote: Bool

    var values: [String: String] {
        let spec = machine.spec
        var values = Self.inherited
        values.merge(spec.environment) { $1 }
        let (local, group) = place
        values["OMP_NUM_THREADS"] = values["OMP_NUM_THREADS"] ?? "\(max(1, spec.demand.cpus / 1_000))"
        values.merge(torchrun(local: local, group: group)) { $1 }
        values["TF_CONFIG"] = tensorFlow
        values.merge(own) { $1 }
        for (name, value) in devices { values[name] = value }
        values["PYTHONUNBUFFERED"] = "1"
        if let folder = adapter.python {
            values["PYTHONPATH"] = (["\(folder)/hook", folder] + [values["PYTHONPATH"]].compactMap { $0 }.filter { !$0.isEmpty })
                .joined(separator: ":")
        }
        return values
    }

    /// The daemon's own environment without what is meant for the daemon alone.
    static let inherited: [String: String] = {
        var environment: [String: String] = [:]
        for item in PlainFiles.read("/proc/self/environ", limit: 4 << 20).split(separator: 0) {
            let text = String(decoding: item, as: UTF8.self)
            guard let equals = text.firstIndex(of: "="), !text.hasPrefix("OPENCLAW_") else { continue }
            environment[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return environment
    }()

    /// The rank's number on its node and how many are there; the node's number and how many there are.
    private var place: (local: (Int, Int), group: (Int, Int)) {
        let node = machine.ranks[slot].seat.node
        let nodes = machine.ranks.map(\.seat.node).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        let here = machine.ranks.indices.filter { machine.ranks[$0].seat.node == node }
        return ((here.firstIndex(of: slot) ?? 0, here.count), (nodes.firstIndex(of: node) ?? 0, nodes.count))
    }

    private func torchrun(local: (Int, Int), group: (Int, Int)) -> [String: String] {
        [
            "RANK": "\(slot)", "WORLD_SIZE": "\(machine.worldToBe)", "LOCAL_RANK": "\(local.0)", "LOCAL_WORLD_SIZE": "\(local.1)",
            "GROUP_RANK": "\(group.0)", "GROUP_WORLD_SIZE": "\(group.1)", "ROLE_RANK": "\(slot)",
            "ROLE_WORLD_SIZE": "\(machine.worldToBe)", "ROLE_NAME": "default", "MASTER_ADDR": machine.master,
            "MASTER_PORT": "\(machine.port)", "TORCHELASTIC_RUN_ID": "\(machine.name)-\(machine.attempt)",
            "TORCHELASTIC_RESTART_COUNT": "\(machine.run - 1)", "TORCHELASTIC_MAX_RESTARTS": "\(machine.spec.failuresMax)",
        ]
    }

    private var tensorFlow: String {
        let workers = machine.ranks.map { "\"\($0.seat.host):\($0.seat.port)\"" }.joined(separator: ", ")
        return "{\"cluster\": {\"worker\": [\(workers)]}, \"task\": {\"type\": \"worker\", \"index\": \(slot)}}"
    }

    private var own: [String: String] {
        let spec = machine.spec
        var own = [
            "OPENCLAW_JOB": spec.name, "OPENCLAW_ATTEMPT": "\(machine.run)", "OPENCLAW_SLOT": "\(slot)",
            "OPENCLAW_WORKER_SOCKET": socket, "OPENCLAW_CHECKPOINTS": machine.plan.checkpoints,
            "OPENCLAW_CHECKPOINT_EVERY_S": Self.seconds(spec.checkpoint.every),
            "OPENCLAW_CHECKPOINT_KEEP": "\(spec.checkpoint.keep)", "OPENCLAW_WIRE": spec.wire.rawValue,
        ]
        if life > 0 || machine.ranks[slot].isNew, machine.epoch > 0 { own["OPENCLAW_JOINING"] = "1" }
        if machine.checkpoints > 0 { own["OPENCLAW_RESUME"] = "1" }
        own["OPENCLAW_COLLECTIVES"] = adapter.collectives
        own["OPENCLAW_JOB_SECRET"] = secret
        if isRemote { own["OPENCLAW_LISTEN"] = machine.ranks[slot].seat.host }
        if let output = spec.output { own["OPENCLAW_OUTPUT"] = "\(machine.plan.directory)/\(output.path)" }
        return own
    }

    private static func seconds(_ milliseconds: Int64) -> String {
        milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)" : "\(Double(milliseconds) / 1_000)"
    }

    /// Which of the devices that the engine gives the run on this node are this rank's. Only where the engine numbers them.
    var share: Range<Int>? {
        let seat = machine.ranks[slot].seat
        guard isRemote, !seat.devices.isEmpty else { return nil }
        let before = life > 0 ? [] : machine.ranks[..<slot].filter { $0.seat.node == seat.node }
        let first = before.reduce(0) { $0 + $1.seat.devices.count }
        return first..<first + seat.devices.count
    }

    private var devices: [String: String] {
        let seat = machine.ranks[slot].seat
        guard !seat.devices.isEmpty, !isRemote else { return [:] }
        let list = seat.devices.map(String.init).joined(separator: ",")
        switch seat.resource {
        case "nvidia.com/gpu": return ["CUDA_VISIBLE_DEVICES": list, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"]
        case "amd.com/gpu": return ["HIP_VISIBLE_DEVICES": list, "ROCR_VISIBLE_DEVICES": list]
        default: return ["OPENCLAW_DEVICES": list]
        }
    }
}

extension JobPlan {
    /// The same for every run.
    var checkpoints: String { "\(folder)/checkpoints" }
    var logs: String { "\(folder)/logs" }
    func log(of slot: Int) -> String { "\(logs)/rank-\(slot).log" }
    func rankFolder(run: Int, slot: Int, life: Int) -> String { "\(folder)/run-\(run)/rank-\(slot)-\(life)" }
}

/// What ranks load from this installation: the Python package, and the library that it calls.
public struct Adapter: Equatable, Sendable {
    public var python: String?
    public var collectives: String?

    static let library = "libopenclaw_collectives.so"

    /// `named` come from the daemon's environment. Else beside the program: in an installation, or in the checkout it was built in.
    public init(program: String, named: (python: String?, collectives: String?)) {
        let folder = program.lastIndex(of: "/").map { String(program[..<$0]) } ?? "."
        var folders = [named.python, "\(folder)/../share/openclaw/python"].compactMap { $0 }
        var above = folder
        // .build/release, .build/debug or .build/<triple>/<configuration> below a checkout.
        for _ in 0..<5 {
            folders.append("\(above)/adapters/python")
            guard let slash = above.lastIndex(of: "/"), slash > above.startIndex else { break }
            above = String(above[..<slash])
        }
        python = folders.first { PlainFiles.isFolder("\($0)/hook") }
        let libraries = [named.collectives, "\(folder)/\(Self.library)", "\(folder)/../lib/\(Self.library)"].compactMap { $0 }
        collectives = libraries.first { PlainFiles.identity($0) != nil }
    }
}
