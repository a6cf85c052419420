import Glibc
import Processes

/// What this machine has, asked of it now: CPUs this process may use, memory, and accelerators as their drivers tell of them.
struct LocalInventory: Sendable {
    /// Devices that no driver here counts, as the daemon was told of them.
    let declared: [Node.Devices]
    private let probe = NvidiaProbe()

    init(declared: [Node.Devices]) { self.declared = declared }

    func node() -> Node {
        Node(
            Self.hostName, cpus: Self.cpus, memory: Self.memory, devices: (probe.latest() ?? Self.nvidia()) + Self.amd() + declared,
            labels: ["host": Self.hostName])
    }

    static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Thousandths of a core: those this process may run on, within the quota of its cgroup.
    static var cpus: Int64 {
        // `Cpus_allowed:\tff`: a mask in groups of hexadecimal digits.
        let line = text("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }
        let bits = line?.dropFirst("Cpus_allowed:".count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) } ?? 0
        let cores = Int64(bits > 0 ? bits : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) * 1_000
        let quota = text("/sys/fs/cgroup/cpu.max").split(whereSeparator: \.isWhitespace).compactMap { Int64($0) }
        return quota.count == 2 && quota[1] > 0 ? min(cores, max(1, quota[0] * 1_000 / quota[1])) : cores
    }

    /// Bytes: of the machine, within the limit of its cgroup.
    static var memory: Int64 {
        let all = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        let limit = Int64(text("/sys/fs/cgroup/memory.max").filter { !$0.isWhitespace })
        return limit.map { min($0, all) } ?? all
    }

    /// One line of `/proc/driver/nvidia/gpus/*/information` says `Model: NVIDIA H100 80GB HBM3`. The folders are named by the
    /// devices' addresses on the bus, and their order is that of their numbers (CUDA_DEVICE_ORDER=PCI_BUS_ID).
    static func nvidia(under folder: String = "/proc/driver/nvidia/gpus") -> [Node.Devices] {
        counted(
            names(in: folder).compactMap { name in
                let line = text("\(folder)/\(name)/information").split(separator: "\n").first { $0.hasPrefix("Model:") }
                return line.map { Found(model: model(of: String($0.dropFirst("Model:".count)))) }
            }, as: "nvidia.com/gpu")
    }

    /// Each GPU that the kernel's compute driver has is a node of its topology with SIMD units; nodes are numbered, and so are
    /// the GPUs among them. The graphics driver's folder knows its product name and its memory errors.
    static func amd(
        under folder: String = "/sys/class/kfd/kfd/topology/nodes", graphics: String = "/sys/class/drm"
    ) -> [Node.Devices] {
        let nodes = names(in: folder).compactMap { Int($0) }.sorted()
        return counted(
            nodes.compactMap { node in
                var properties: [Substring: Int] = [:]
                for line in text("\(folder)/\(node)/properties").split(separator: "\n") {
                    let words = line.split(separator: " ")
                    if words.count == 2, let value = Int(words[1]) { properties[words[0]] = value }
                }
                guard properties["simd_count"] ?? 0 > 0 else { return nil }
                let device = "\(graphics)/renderD\(properties["drm_render_minor"] ?? 0)/device"
                let product = line(text("\(device)/product_name"))
                let known = amdModels[properties["device_id"] ?? 0] ?? line(text("\(folder)/\(node)/name"))
                let errors = text("\(device)/ras/umc_err_count").split(separator: "\n").first { $0.hasPrefix("ue:") }
                let count = errors.flatMap { Int($0.dropFirst(3).filter { $0 != " " }) } ?? 0
                return Found(
                    model: model(of: product.isEmpty ? known : product),
                    trouble: count > 0 ? "\(count) uncorrected memory errors" : nil)
            }, as: "amd.com/gpu")
    }

    /// By PCI device, for drivers that know no product names (from the kernel's amdgpu tables).
    private static let amdModels = [
        0x66A1: "MI50", 0x738C: "MI100", 0x7408: "MI250X", 0x740C: "MI250X", 0x740F: "MI210", 0x74A0: "MI300A", 0x74A1: "MI300X",
        0x74A5: "MI325X", 0x75A0: "MI350X", 0x75A3: "MI355X",
    ]

    /// `NVIDIA H100 80GB HBM3` is an `H100`: what people ask for. Without a brand or with one that says nothing else, the name.
    static func model(of name: String) -> String {
        let words = name.split(whereSeparator: { $0.isWhitespace || $0 == "-" }).map(String.init)
        let brands = ["NVIDIA", "Tesla", "AMD", "Instinct", "GeForce", "Quadro", "Radeon"]
        return words.first { !brands.contains($0) } ?? name
    }

    /// A device that its driver has.
    private struct Found {
        var model: String
        /// Why it cannot be used.
        var trouble: String?
    }

    /// By model; each keeps the number that it has among all of its driver.
    private static func counted(_ found: [Found], as resource: String) -> [Node.Devices] {
        Dictionary(grouping: found.enumerated(), by: \.element.model).sorted { $0.key < $1.key }.map { model, some in
            let usable = some.filter { $0.element.trouble == nil }.map(\.offset)
            let failed = some.compactMap { one in
                one.element.trouble.map { Node.Devices.Failed(name: "GPU \(one.offset)", why: $0) }
            }
            return Node.Devices(
                AcceleratorKind(resource: resource, model: model), count: usable.count, numbers: usable, failed: failed)
        }
    }

    private static func line(_ text: String) -> String {
        String(text.split(separator: "\n").first ?? "").split(separator: " ").joined(separator: " ")
    }

    private static func names(in folder: String) -> [String] {
        guard let handle = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let item = unsafe readdir(handle) {
            let name = unsafe withUnsafeBytes(of: &item.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func text(_ path: String) -> String { String(decoding: PlainFiles.read(path, limit: 64 << 10), as: UTF8.self) }
}
