public import Faults
public import YAML

/// What a `node:` says of a node that an engine brings: labels, and accelerators that no driver counts there.
public struct NodeSpec: Codable, Equatable, Sendable {
    public struct Accelerators: Codable, Equatable, Sendable {
        public var resource: String
        public var model: String
        public var count: Int
        /// Files that are there while the devices are (`/dev/xfpga0`), in order of their numbers; none where nobody can tell.
        public var paths: [String]
    }
    public var name: String
    public var labels: [String: String] = [:]
    public var accelerators: [Accelerators] = []

    public static let countMax = 1_024
    public static let kindsMax = 64

    /// Reads the value of a `node:` key.
    public init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("a node")
        try file.refuseUnknown(known: ["name", "labels", "accelerators"])
        name = try file.required("name").string()
        for entry in try file["labels"]?.mapping("labels").entries ?? [] {
            labels[try NodeLabel.name(entry.key, at: entry.value)] = try NodeLabel.value(try entry.value.string(), at: entry.value)
        }
        for entry in try file["accelerators"]?.mapping("accelerators").entries ?? [] {
            accelerators.append(try Self.accelerators(entry.key, entry.value))
        }
        guard labels.count <= NodeRule.labelsMax, accelerators.count <= Self.kindsMax else {
            throw node.fault(
                "\(name) has too much to say.",
                why: "\(NodeRule.labelsMax) labels and \(Self.kindsMax) kinds of accelerators are kept.",
                fix: "Leave some out.")
        }
    }

    private static func accelerators(_ key: String, _ node: YAMLNode) throws(Fault) -> Accelerators {
        guard case .oneOf(let wishes) = try AcceleratorReading(name: key, at: node), let wish = wishes.first else {
            throw node.fault(
                "'\(key)' is no kind of accelerator.", why: "a resource or a model is expected.",
                fix: "Write it like fpga.example.com/u250.")
        }
        var declared = Accelerators(resource: key, model: key, count: 0, paths: [])
        // What stands behind the slash is a model, but for resources that say no more than what they are.
        if case .resource = wish.kind {
            declared.model = key.split(separator: "/").last.map(String.init).flatMap { $0 == "gpu" ? nil : $0 } ?? ""
        }
        guard case .mapping = node.content else {
            declared.count = try node.integer(in: 0...countMax)
            return declared
        }
        let file = try node.mapping("accelerators")
        try file.refuseUnknown(known: ["count", "model", "devices"])
        if let node = file["model"] { declared.model = try node.string() }
        for item in try file["devices"]?.list() ?? [] {
            let path = try item.string()
            guard path.hasPrefix("/") else {
                throw item.fault(
                    "'\(path)' is no device.", why: "a device is a file by its absolute path.", fix: "Write it like /dev/xfpga0.")
            }
            declared.paths.append(path)
        }
        guard let count = file["count"] else {
            guard (1...countMax).contains(declared.paths.count) else {
                throw node.fault(
                    "'\(key)' says not how many.", why: "neither `count:` nor `devices:` does.", fix: "Write count: 2.")
            }
            declared.count = declared.paths.count
            return declared
        }
        declared.count = try count.integer(in: 0...countMax)
        guard declared.paths.isEmpty || declared.paths.count == declared.count else {
            throw count.fault(
                "'\(key)' counts \(declared.count), and names \(declared.paths.count) devices.", why: "each device has one file.",
                fix: "Leave `count:` out.")
        }
        return declared
    }

    /// A resource that is declared is what was declared, whatever a driver tells of it. Devices whose files are gone are not
    /// given to anybody; only those of this machine can be looked at.
    func complete(_ node: inout Node) {
        node.labels.merge(labels) { _, declared in declared }
        for some in accelerators {
            node.devices.removeAll { $0.kind.resource == some.resource }
            let isHere = node.name == LocalInventory.hostName
            let missing = isHere ? some.paths.indices.filter { PlainFiles.identity(some.paths[$0]) == nil } : []
            let numbers = (0..<some.count).filter { !missing.contains($0) }
            node.devices.append(
                Node.Devices(
                    AcceleratorKind(resource: some.resource, model: some.model), count: numbers.count, numbers: numbers,
                    failed: missing.map { .init(name: some.paths[$0], why: "its file is gone") }))
        }
    }
}
