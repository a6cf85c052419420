/// What one rank may use: a control group of its own where this user may make one, else a limit on private memory and a watch on
/// what is resident.
struct RankLimits: Sendable {
    /// In bytes; 0 for no limit.
    let memoryMax: Int64
    let groups: ControlGroups
    /// What could not be set, and why.
    let remarks: [String]

    init(memoryMax: Int64, cpusMax: Int64, name: String) {
        self.memoryMax = memoryMax
        groups = ControlGroups(memoryMax: memoryMax, cpusMax: cpusMax, name: name)
        var said: [String] = []
        if memoryMax > 0, !groups.limits(.memory) { said.append("memory is watched every 0.25 s and bounded by RLIMIT_DATA") }
        if cpusMax > 0, !groups.limits(.cpu) { said.append("its share of CPU time is not enforced") }
        remarks = said.isEmpty ? [] : [(["no cgroup of its own can be made here"] + said).joined(separator: "; ")]
    }

    /// Whether its memory must be looked at.
    var watchesMemory: Bool { memoryMax > 0 && !groups.limits(.memory) }

    /// Private memory that may be reserved where there is no cgroup: it counts what was never touched too (stacks of threads,
    /// arenas), so that it lies well above the limit. The watch on resident memory is the exact one.
    var dataBytesMax: Int64? { watchesMemory ? memoryMax * 2 + 1 << 30 : nil }
}
