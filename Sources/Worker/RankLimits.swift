import Glibc
import Processes

/// What one rank may use: a cgroup of its own where this user may make one, else a limit on private memory and a watch on what
/// is resident.
struct RankLimits: Sendable {
    let memoryMax: Int64
    let cpusMax: Int64
    /// Made for this rank; nil where that is not allowed.
    let cgroup: String?
    /// What could not be set, and why.
    let remarks: [String]

    private static let root = "/sys/fs/cgroup"

    /// `name` is unique on this machine.
    init(memoryMax: Int64, cpusMax: Int64, name: String) {
        (self.memoryMax, self.cpusMax) = (memoryMax, cpusMax)
        guard memoryMax > 0 || cpusMax > 0 else {
            (cgroup, remarks) = (nil, [])
            return
        }
        let own = RankLimits.ownGroup.map { "\($0)/openclaw-\(name)" }
        guard let own, unsafe mkdir(own, 0o755) == 0 || errno == EEXIST,
            memoryMax <= 0 || RankLimits.write("\(memoryMax)", to: "\(own)/memory.max"),
            cpusMax <= 0 || RankLimits.write("\(cpusMax * 100) 100000", to: "\(own)/cpu.max")
        else {
            if let own { unsafe rmdir(own) }
            cgroup = nil
            var said = "no cgroup of its own can be made here"
            if memoryMax > 0 { said += "; memory is watched every 0.25 s and bounded by RLIMIT_DATA" }
            if cpusMax > 0 { said += "; its share of CPU time is not enforced" }
            remarks = [said]
            return
        }
        (cgroup, remarks) = (own, [])
    }

    /// Private memory that may be reserved where there is no cgroup: it counts what was never touched too (stacks of threads,
    /// arenas), so that it lies well above the limit. The watch on resident memory is the exact one.
    var dataBytesMax: Int64? { cgroup == nil && memoryMax > 0 ? memoryMax * 2 + 1 << 30 : nil }

    /// Whether the kernel killed something in the cgroup for want of memory.
    var wasOutOfMemory: Bool {
        guard let cgroup else { return false }
        let events = String(decoding: PlainFile.read("\(cgroup)/memory.events", limit: 4_096), as: UTF8.self)
        return events.split(separator: "\n").contains { $0.hasPrefix("oom_kill ") && $0 != "oom_kill 0" }
    }

    /// Kills whatever is left in the cgroup and removes it.
    func remove() {
        guard let cgroup else { return }
        _ = RankLimits.write("1", to: "\(cgroup)/cgroup.kill")
        for _ in 0..<100 where unsafe rmdir(cgroup) != 0 && errno == EBUSY { usleep(10_000) }
    }

    /// The cgroup of this process in the unified hierarchy, where one can be made below it.
    private static var ownGroup: String? {
        let text = String(decoding: PlainFile.read("/proc/self/cgroup", limit: 64 << 10), as: UTF8.self)
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::") }) else { return nil }
        let path = root + (line.dropFirst(3) == "/" ? "" : String(line.dropFirst(3)))
        let controllers = PlainFile.read("\(path)/cgroup.subtree_control", limit: 4_096)
        let names = String(decoding: controllers, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        let isWritable = unsafe access(path, W_OK) == 0
        return names.contains("memory") && names.contains("cpu") && isWritable ? path : nil
    }

    private static func write(_ text: String, to path: String) -> Bool {
        let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) } == bytes.count
    }
}
