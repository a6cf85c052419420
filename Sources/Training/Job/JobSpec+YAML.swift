public import Faults
public import YAML

extension JobSpec {
    private static let keys = [
        "name", "run", "workdir", "env", "ranks", "resources", "priority", "preemptible", "team", "expected", "engine",
        "nodes", "throughput", "checkpoint", "recovery", "sync", "output", "data",
    ]

    /// Reads the value of a `training_job:` key. Strict: what is not known is refused with its line.
    public init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("a training job")
        try file.refuseUnknown(known: Self.keys)
        self.init(name: try Self.name(try file.required("name"), of: "a training job"), run: try Self.run(try file.required("run")))
        if let node = file["workdir"] { workdir = try node.string() }
        if let node = file["env"] { environment = try Self.environment(node) }
        if let node = file["engine"] { engine = try Self.engine(node) }
        if let node = file["ranks"] { (ranksMin, ranksMax) = try Self.ranks(node) }
        if let node = file["resources"] { try readResources(node) }
        if let node = file["priority"] { priority = try Self.priority(node) }
        if let node = file["preemptible"] { isPreemptible = try node.bool() }
        if let node = file["team"] { team = try Self.name(node, of: "a team") }
        if let node = file["expected"] { expected = try Self.milliseconds(node, in: 1...31_536_000_000) }
        if let node = file["nodes"] { nodes = try NodeRule(node) }
        if let node = file["throughput"] { throughput = try Self.throughput(node) }
        if let node = file["checkpoint"] { checkpoint = try Self.checkpointing(node) }
        if let node = file["recovery"] {
            let recovery = try node.mapping("what a job outlives")
            try recovery.refuseUnknown(known: ["max_failures", "hang_after"])
            if let node = recovery["max_failures"] { failuresMax = try node.integer(in: 0...Self.failuresMax) }
            if let node = recovery["hang_after"] { hangAfter = try Self.milliseconds(node, in: 1_000...86_400_000) }
        }
        if let node = file["sync"] {
            let sync = try node.mapping("how ranks agree")
            try sync.refuseUnknown(known: ["wire"])
            if let node = sync["wire"] { wire = try Self.wire(node) }
        }
        if let node = file["output"] { output = try Self.output(node) }
        if let node = file["data"] { data = try Self.data(node) }
    }

    private static func data(_ node: YAMLNode) throws(Fault) -> [String] {
        var items = [node]
        if case .sequence(let list) = node.content { items = list }
        guard !items.isEmpty, items.count <= dataMax else {
            throw node.fault(
                "This does not say what the data is.", why: "1 to \(dataMax) paths are expected.",
                fix: "Write it like data: data/ or data: [train.csv, labels.csv].")
        }
        var paths: [String] = []
        for item in items {
            let path = try item.string()
            guard !path.isEmpty, !path.contains("://") else {
                throw item.fault(
                    "'\(path)' is no path.", why: "what is digested lies in files that this machine reads.",
                    fix: "Name a file or folder; leave `data:` out where the data is elsewhere.")
            }
            paths.append(path)
        }
        return paths
    }

    // MARK: Names and words

    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 64, first != UInt8(ascii: "."), first != UInt8(ascii: "-") else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || [0x2D, 0x2E, 0x5F].contains(byte)
        }
    }

    static func name(_ node: YAMLNode, of what: String) throws(Fault) -> String {
        let text = try node.string()
        guard isName(text) else {
            throw node.fault(
                "'\(text)' cannot be the name of \(what).", why: "names stand in paths, commands and labels.",
                fix: "Use 1 to 64 letters, digits, '.', '-' and '_', beginning with a letter, a digit or '_'.")
        }
        return text
    }

    private static func engine(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        if EngineChoice.names.contains(text) { return text }
        throw node.fault(
            "There is no engine '\(text)' in this version.",
            why:
                "it knows \(EngineChoice.names.joined(separator: " and "))\(text == "kubernetes" ? "; kubernetes comes later" : "").",
            fix: "Leave `engine:` out, or write the one that the daemon was started with.")
    }

    private static func environment(_ node: YAMLNode) throws(Fault) -> [String: String] {
        var environment: [String: String] = [:]
        for entry in try node.mapping("an environment").entries {
            let isFine = entry.key.utf8.allSatisfy { $0 != UInt8(ascii: "=") && $0 != 0 } && !entry.key.isEmpty
            guard isFine, !entry.key.hasPrefix("OPENCLAW_") else {
                throw entry.value.fault(
                    "'\(entry.key)' cannot be set.",
                    why: entry.key.hasPrefix("OPENCLAW_")
                        ? "names that begin with OPENCLAW_ are OpenClaw's own."
                        : "names of variables are letters, digits and '_', and do not begin with a digit.",
                    fix: "Choose another name.")
            }
            environment[entry.key] = try entry.value.string()
        }
        return environment
    }

    private static func run(_ node: YAMLNode) throws(Fault) -> String {
        let run = try node.string()
        guard run.contains(where: { !$0.isWhitespace }) else {
            throw node.fault(
                "There is nothing to run.", why: "`run:` is empty, and a job of it would end well without having done anything.",
                fix: "Write the command, like run: \"python train.py\".")
        }
        return run
    }

    private static func ranks(_ node: YAMLNode) throws(Fault) -> (Int, Int) {
        guard case .mapping = node.content else {
            let ranks = try node.integer(in: 1...ranksMax)
            return (ranks, ranks)
        }
        let file = try node.mapping("how many ranks")
        try file.refuseUnknown(known: ["min", "max"])
        let least = try file["min"]?.integer(in: 1...ranksMax) ?? 1
        return (least, try file.required("max").integer(in: least...ranksMax))
    }

    static func priority(_ node: YAMLNode) throws(Fault) -> Int {
        let text = try node.string()
        if let level = Level.allCases.first(where: { $0.word == text }) { return level.rawValue }
        guard let number = Int(text), (0...1_000).contains(number) else {
            let words = Level.allCases.map(\.word)
            throw node.fault(
                "'\(text)' is no priority.", why: "it is one of \(words.joined(separator: ", ")), or a number from 0 to 1000.",
                fix: Suggestion.closest(to: text, among: words).map { "Did you mean \($0)?" } ?? "Write normal.")
        }
        return number
    }

    private static func wire(_ node: YAMLNode) throws(Fault) -> Wire {
        let text = try node.string()
        if let wire = Wire(rawValue: text) { return wire }
        let words = Wire.allCases.map(\.rawValue)
        throw node.fault(
            "'\(text)' is no wire format.", why: "it is one of \(words.joined(separator: ", ")).",
            fix: Suggestion.closest(to: text, among: words).map { "Did you mean \($0)?" } ?? "Write auto.")
    }

    static func milliseconds(_ node: YAMLNode, in range: ClosedRange<Int64>) throws(Fault) -> Int64 {
        let milliseconds = Int64(try node.duration() / .milliseconds(1))
        guard range.contains(milliseconds) else {
            throw node.fault(
                "'\(try node.string())' is too short or too long.",
                why: "from \(Quantity.text(.milliseconds(range.lowerBound))) to \(Quantity.text(.milliseconds(range.upperBound))).",
                fix: "Write one in that range.")
        }
        return milliseconds
    }

    // MARK: Parts

    private static func checkpointing(_ node: YAMLNode) throws(Fault) -> Checkpointing {
        let file = try node.mapping("checkpoints")
        try file.refuseUnknown(known: ["every", "keep"])
        var checkpointing = Checkpointing()
        if let node = file["every"] { checkpointing.every = try milliseconds(node, in: 100...86_400_000) }
        if let node = file["keep"] { checkpointing.keep = try node.integer(in: 1...1_000) }
        return checkpointing
    }

    private static func throughput(_ node: YAMLNode) throws(Fault) -> [String: Double] {
        var values: [String: Double] = [:]
        for entry in try node.mapping("how fast a job is").entries {
            guard case .oneOf(let wishes) = try AcceleratorReading(name: entry.key, at: entry.value), wishes.count == 1 else {
                throw entry.value.fault(
                    "'\(entry.key)' is no kind of accelerator.", why: "a model or a resource is expected.",
                    fix: "Write it like H100 or amd.com/gpu.")
            }
            let value = try entry.value.double()
            guard value > 0, value <= 1e12 else {
                throw entry.value.fault(
                    "'\(value)' is no throughput.", why: "it is above zero, in whatever unit the other kinds are given in.",
                    fix: "Leave out a kind that the job cannot use, and keep it off with `accelerators:`.")
            }
            values[entry.key] = value
        }
        guard !values.isEmpty, values.count <= throughputsMax else {
            throw node.fault(
                "This compares \(values.count) kinds of accelerators.", why: "from 1 to \(throughputsMax) are expected.",
                fix: "Write it like { H100: 1.0, A100: 0.6 }.")
        }
        return values
    }

    static let throughputsMax = 64

    private static func output(_ node: YAMLNode) throws(Fault) -> Output {
        let file = try node.mapping("what comes out")
        try file.refuseUnknown(known: ["register", "path"])
        let registerNode = try file.required("register")
        let register = try registerNode.string()
        let parts = register.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, isName(parts[0]), isName(parts[1]) else {
            throw registerNode.fault(
                "'\(register)' is no version.", why: "a model and the version that this makes of it are expected.",
                fix: "Write it like fraud-model@v12.")
        }
        let pathNode = try file.required("path")
        let path = try pathNode.string()
        guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw pathNode.fault(
                "'\(path)' leaves the working folder.", why: "what is registered stands below it.",
                fix: "Write a path relative to `workdir:`.")
        }
        guard path.split(separator: "/").contains(where: { $0 != "." }) else {
            throw pathNode.fault(
                "'\(path)' is the whole working folder.", why: "what is registered is a file or a folder below it.",
                fix: "Write its path, like model/.")
        }
        return Output(register: register, path: path)
    }

    private mutating func readResources(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("what each rank needs")
        try file.refuseUnknown(known: ["cpus", "memory", "accelerators", "spread"])
        if let node = file["cpus"] { demand.cpus = try ResourceQuantity.cpus(node) }
        if let node = file["memory"] { demand.memory = try ResourceQuantity.bytes(node) }
        if let node = file["accelerators"] {
            switch try AcceleratorReading(node) {
            case .none: break
            case .anything: takesAnyAccelerator = true
            case .oneOf(let wishes): demand.accelerators = wishes
            }
        }
        if let node = file["spread"] {
            let text = try node.string()
            guard let spread = Gang.Spread(rawValue: text) else {
                throw node.fault(
                    "'\(text)' is no way to lie on nodes.",
                    why: "it is one of \(Gang.Spread.allCases.map(\.rawValue).joined(separator: ", ")).", fix: "Write pack.")
            }
            self.spread = spread
        }
    }
}

/// Amounts as Kubernetes writes them.
enum ResourceQuantity {
    private static let powers: [(suffix: String, factor: Double)] = [
        ("Ki", 1_024), ("Mi", 1_048_576), ("Gi", 1_073_741_824), ("Ti", 1_099_511_627_776), ("k", 1e3), ("M", 1e6), ("G", 1e9),
        ("T", 1e12),
    ]

    /// `2`, `0.5`, `500m` -> thousandths of a core.
    static func cpus(_ node: YAMLNode) throws(Fault) -> Int64 {
        let text = try node.string()
        let thousandths = text.hasSuffix("m") ? Double(text.dropLast()) : Double(text).map { $0 * 1_000 }
        guard let thousandths, thousandths >= 0, thousandths <= 1e9, thousandths == thousandths.rounded() else {
            throw node.fault(
                "'\(text)' is no amount of CPUs.", why: "cores or thousandths of one are expected.",
                fix: "Write it like 2, 0.5 or 500m.")
        }
        return Int64(thousandths)
    }

    /// `2Gi`, `500M` -> bytes.
    static func bytes(_ node: YAMLNode) throws(Fault) -> Int64 {
        let text = try node.string()
        let power = powers.first { text.hasSuffix($0.suffix) }
        let count = Double(text.dropLast(power?.suffix.count ?? 0))
        guard let count, count >= 0, case let bytes = count * (power?.factor ?? 1), bytes <= 1e17, bytes >= 0 else {
            throw node.fault(
                "'\(text)' is no amount of memory.", why: "a number with its unit is expected.",
                fix: "Write it like 2Gi, 512Mi or 500M.")
        }
        guard bytes == 0 || bytes >= Self.bytesMin else {
            throw node.fault(
                "'\(text)' is too little memory.",
                why: "\(power == nil ? "without a unit these are bytes, and " : "")no rank runs in \(Int64(bytes)) bytes.",
                fix: "Write it like 2Gi, 512Mi or 500M.")
        }
        return Int64(bytes)
    }

    /// Nothing runs in less: whoever writes it forgot the unit.
    private static let bytesMin = 1_048_576.0
}

/// `any`, `none`, `2`, `H100:8`, `nvidia.com/gpu: 1`, `any_of: [...]`.
enum AcceleratorReading: Equatable {
    case none
    case anything
    case oneOf([AcceleratorWish])

    static let countMax = 64

    init(_ node: YAMLNode) throws(Fault) {
        switch node.content {
        case .scalar(let text, _):
            if text == "none" || text == "0" {
                self = .none
            } else if text == "any" {
                self = .anything
            } else if Int(text) != nil {
                self = .oneOf([AcceleratorWish(.any, count: try node.integer(in: 1...Self.countMax))])
            } else {
                self = .oneOf([try Self.wish(text, at: node)])
            }
        case .mapping(let entries):
            if let entry = entries.first, entry.key == "any_of", entries.count == 1 {
                var wishes: [AcceleratorWish] = []
                for item in try entry.value.list() {
                    guard case .oneOf(let some) = try AcceleratorReading(item) else { throw Self.unclear(item) }
                    wishes += some
                }
                guard !wishes.isEmpty else { throw Self.unclear(node) }
                self = .oneOf(wishes)
                return
            }
            guard let entry = entries.first, entries.count == 1 else { throw Self.unclear(node) }
            self = .oneOf([
                AcceleratorWish(try Self.kind(entry.key, at: entry.value), count: try entry.value.integer(in: 1...Self.countMax))
            ])
        case .sequence: throw Self.unclear(node)
        }
    }

    /// The name of a kind alone.
    init(name: String, at node: YAMLNode) throws(Fault) {
        self = .oneOf([try Self.wish(name, at: node)])
    }

    private static func wish(_ text: String, at node: YAMLNode) throws(Fault) -> AcceleratorWish {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, JobSpec.isName(String(name).replacing("/", with: "-")) else { throw unclear(node) }
        let kind = try kind(String(name), at: node)
        if parts.count == 1 { return AcceleratorWish(kind) }
        guard let count = Int(parts[1].drop { $0 == " " }), (1...countMax).contains(count) else { throw unclear(node) }
        return AcceleratorWish(kind, count: count)
    }

    /// A name with a slash is a resource as drivers count it, any other is a model.
    private static func kind(_ name: String, at node: YAMLNode) throws(Fault) -> AcceleratorWish.Kind {
        guard name.contains("/") else { return .model(name) }
        // A user may declare any resource of their own; a driver's in another number or case is a slip that would wait for ever.
        let plain = name.lowercased()
        let near = plain.hasSuffix("s") ? String(plain.dropLast()) : plain
        if near != name, resources.contains(near) {
            throw node.fault("No driver counts '\(name)'.", why: "the resource is called \(near).", fix: "Write \(near).")
        }
        return .resource(name)
    }

    private static let resources = ["nvidia.com/gpu", "amd.com/gpu"]

    private static func unclear(_ node: YAMLNode) -> Fault {
        node.fault(
            "This does not say which accelerators.", why: "one wish is expected, or a list of them under `any_of:`.",
            fix: "Write it like any, none, 2, H100:8, { nvidia.com/gpu: 1 } or { any_of: [H100:1, amd.com/gpu:1] }.")
    }
}
