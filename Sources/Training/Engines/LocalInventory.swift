import Glibc
import Processes

/// What this machine has, asked of it now: CPUs this process may use, memory, and accelerators as their drivers tell of them.
struct LocalInventory: Sendable {
    /// Devices that no driver here counts, as the daemon was told of them.
    let declared: [Node.Devices]

    func node() -> Node {
        Node(
            Self.hostName, cpus: Self.cpus, memory: Self.memory, devices: Self.nvidia() + Self.amd() + declared,
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

    /// One line of `/proc/driver/nvidia/gpus/*/information` says `Model: NVIDIA H100 80GB HBM3`.
    static func nvidia(under folder: String = "/proc/driver/nvidia/gpus") -> [Node.Devices] {
        let models = names(in: folder).compactMap { name -> String? in
            let line = text("\(folder)/\(name)/information").split(separator: "\n").first { $0.hasPrefix("Model:") }
            return line.map { model(of: String($0.dropFirst("Model:".count))) }
        }
        return counted(models, as: "nvidia.com/gpu")
    }

    /// Each GPU that the kernel's compute driver has is a node of its topology with SIMD units.
    static func amd(under folder: String = "/sys/class/kfd/kfd/topology/nodes") -> [Node.Devices] {
        let models = names(in: folder).compactMap { name -> String? in
            let properties = text("\(folder)/\(name)/properties").split(separator: "\n").map { $0.split(separator: " ") }
            guard properties.contains(where: { $0.count == 2 && $0[0] == "simd_count" && $0[1] != "0" }) else { return nil }
            return model(of: text("\(folder)/\(name)/name"))
        }
        return counted(models, as: "amd.com/gpu")
    }

    /// `NVIDIA H100 80GB HBM3` is an `H100`: what people ask for. Without a brand or with one that says nothing else, the name.
    static func model(of name: String) -> String {
        let words = name.split(whereSeparator: { $0.isWhitespace || $0 == "-" }).map(String.init)
        let brands = ["NVIDIA", "Tesla", "AMD", "Instinct", "GeForce", "Quadro", "Radeon"]
        return words.first { !brands.contains($0) } ?? name
    }

    private static func counted(_ models: [String], as resource: String) -> [Node.Devices] {
        Dictionary(grouping: models, by: \.self).sorted { $0.key < $1.key }.map {
            Node.Devices(AcceleratorKind(resource: resource, model: $0.key), count: $0.value.count)
        }
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
