import Glibc

/// The control groups (cgroups) made for one rank: folders in which the kernel limits what everything that the rank starts uses
/// together. Of version 2 where this user may make one with its controllers, else of version 1.
struct ControlGroups: Sendable {
    /// A controller of either version.
    enum Controller: String, CaseIterable, Sendable { case memory, cpu }

    /// Where a group can be made.
    struct Place: Equatable, Sendable {
        var version: Int
        var parent: String
        var controllers: Set<Controller>
    }

    private struct Group: Sendable {
        let place: Place
        let folder: String
    }

    /// The kernel takes no shorter time of a period of 100 ms, in microseconds.
    private static let quotaMin: Int64 = 1_000
    private static let period: Int64 = 100_000

    private let groups: [Group]

    /// Each of them is entered by the rank's first process.
    var folders: [String] { groups.map(\.folder) }

    /// Makes them. What cannot be made or set is left out. `memoryMax` in bytes and `cpusMax` in thousandths of a core; 0 is no limit.
    init(memoryMax: Int64, cpusMax: Int64, name: String, places: (Set<Controller>) -> [Place] = ControlGroups.places) {
        var wanted: Set<Controller> = []
        if memoryMax > 0 { wanted.insert(.memory) }
        if cpusMax > 0 { wanted.insert(.cpu) }
        let quota = max(Self.quotaMin, cpusMax * Self.period / 1_000)
        groups =
            wanted.isEmpty
            ? []
            : places(wanted).compactMap { place in
                Self.sweep(place.parent)
                let folder = "\(place.parent)/\(Self.prefix)\(name)-\(getpid())"
                guard unsafe mkdir(folder, 0o755) == 0 || errno == EEXIST else { return nil }
                let settings: [(Controller, String, String)] =
                    place.version == 2
                    ? [(.memory, "memory.max", "\(memoryMax)"), (.cpu, "cpu.max", "\(quota) \(Self.period)")]
                    : [
                        (.memory, "memory.limit_in_bytes", "\(memoryMax)"), (.cpu, "cpu.cfs_period_us", "\(Self.period)"),
                        (.cpu, "cpu.cfs_quota_us", "\(quota)"),
                    ]
                let isSet = settings.allSatisfy { controller, file, value in
                    !place.controllers.contains(controller) || Self.write(value, to: "\(folder)/\(file)")
                }
                guard isSet else {
                    unsafe rmdir(folder)
                    return nil
                }
                return Group(place: place, folder: folder)
            }
    }

    func limits(_ controller: Controller) -> Bool { groups.contains { $0.place.controllers.contains(controller) } }

    /// Whether the kernel killed something in them for want of memory.
    var wasOutOfMemory: Bool {
        groups.contains { group in
            guard group.place.controllers.contains(.memory) else { return false }
            let file = group.place.version == 2 ? "memory.events" : "memory.oom_control"
            return Self.text("\(group.folder)/\(file)").split(separator: "\n")
                .contains { $0.hasPrefix("oom_kill ") && $0 != "oom_kill 0" }
        }
    }

    /// Kills whatever is left in them and removes them.
    func remove() {
        for group in groups {
            _ = Self.write("1", to: "\(group.folder)/cgroup.kill")
            for _ in 0..<100 where unsafe rmdir(group.folder) != 0 && errno == EBUSY {
                for process in Self.text("\(group.folder)/cgroup.procs").split(separator: "\n") {
                    if let process = Int32(process), process > 1 { kill(process, SIGKILL) }
                }
                usleep(10_000)
            }
        }
    }

    // MARK: Where

    private static let prefix = "openclaw-"

    /// Groups of Workers that were killed before they could remove theirs: each name ends with its Worker's process. One that
    /// is not empty cannot be removed.
    private static func sweep(_ parent: String) {
        for name in names(in: parent) where name.hasPrefix(prefix) {
            guard let process = name.split(separator: "-").last.flatMap({ Int32($0) }), process > 0, process != getpid() else {
                continue
            }
            if kill(process, 0) != 0, errno == ESRCH { unsafe rmdir("\(parent)/\(name)") }
        }
    }

    /// Where this process may make groups that limit what is wanted.
    static func places(for wanted: Set<Controller>) -> [Place] {
        places(for: wanted, mounts: text("/proc/self/mountinfo"), memberships: text("/proc/self/cgroup"))
    }

    /// From what the kernel says of this process: `mounts` is mountinfo, `memberships` lines of `number:controllers:path`.
    static func places(for wanted: Set<Controller>, mounts: String, memberships: String) -> [Place] {
        var places: [Place] = []
        var missing = wanted
        for hierarchy in Hierarchy.all(mounts: mounts, memberships: memberships).sorted(by: { $0.version > $1.version }) {
            // All that is missing at once, else one of them: a process is in one group of a hierarchy.
            let some = hierarchy.version == 1 ? missing.intersection(hierarchy.controllers) : missing
            for chosen in [some] + Controller.allCases.filter(some.contains).map({ Set([$0]) }) {
                guard let parent = hierarchy.parent(for: chosen) else { continue }
                places.append(Place(version: hierarchy.version, parent: parent, controllers: chosen))
                missing.subtract(chosen)
                break
            }
        }
        return places
    }

    /// A mounted tree of groups, and where this process stands in it.
    private struct Hierarchy {
        let version: Int
        /// Of version 1: those that are bound to it.
        let controllers: Set<Controller>
        /// Its outermost folder that is seen here, and this process' own.
        let top: String
        let own: String

        static func all(mounts: String, memberships: String) -> [Hierarchy] {
            let paths = memberships.split(separator: "\n").map {
                $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            }
            return mounts.split(separator: "\n").compactMap { line -> Hierarchy? in
                let fields = line.split(separator: " ")
                guard let dash = fields.firstIndex(of: "-") else { return nil }
                let (before, after) = (Array(fields[..<dash]), Array(fields[(dash + 1)...]))
                guard before.count >= 5, after.count >= 3, ["cgroup", "cgroup2"].contains(after[0]) else { return nil }
                let options = after[2].split(separator: ",")
                let version = after[0] == "cgroup2" ? 2 : 1
                let controllers = Set(version == 1 ? Controller.allCases.filter { options.contains(Substring($0.rawValue)) } : [])
                let member = paths.first { path in
                    guard path.count == 3 else { return false }
                    if version == 2 { return path[0] == "0" && path[1].isEmpty }
                    return !controllers.isEmpty
                        && controllers.allSatisfy { path[1].split(separator: ",").contains(Substring($0.rawValue)) }
                }
                guard let member else { return nil }
                let path = String(member[2])
                // A container sees a part of the tree: the mount says from where on.
                let root = before[3] == "/" ? "" : String(before[3])
                var own = String(before[4])
                if path != "/", path.hasPrefix(root + "/") { own += path.dropFirst(root.utf8.count) }
                let top = String(before[4])
                return Hierarchy(version: version, controllers: controllers, top: top, own: own)
            }
        }

        /// A folder below which this process may make a group with these controllers: its own, or of version 2, whose groups hold
        /// either processes or groups, the nearest around it. Never past a group that has a limit of its own.
        func parent(for wanted: Set<Controller>) -> String? {
            guard !wanted.isEmpty else { return nil }
            var folder = own
            while true {
                let isWritable = unsafe access(folder, W_OK) == 0 && access("\(folder)/cgroup.procs", W_OK) == 0
                if version == 1 { return isWritable ? folder : nil }
                let given = ControlGroups.text("\(folder)/cgroup.subtree_control").split(whereSeparator: \.isWhitespace)
                if isWritable, wanted.allSatisfy({ given.contains(Substring($0.rawValue)) }) { return folder }
                let isBounded = ["memory.max", "cpu.max"].contains { file in
                    let limit = ControlGroups.text("\(folder)/\(file)")
                    return !limit.isEmpty && !limit.hasPrefix("max")
                }
                guard !isBounded, folder.utf8.count > top.utf8.count, let slash = folder.lastIndex(of: "/") else { return nil }
                folder = String(folder[..<slash])
            }
        }
    }

    // MARK: Files

    fileprivate static func text(_ path: String) -> String {
        String(decoding: PlainFile.read(path, limit: 256 << 10), as: UTF8.self)
    }

    private static func names(in folder: String) -> [String] {
        guard let handle = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let item = unsafe readdir(handle) {
            names.append(
                unsafe withUnsafeBytes(of: &item.pointee.d_name) { raw in
                    unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    private static func write(_ text: String, to path: String) -> Bool {
        let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) } == bytes.count
    }
}
