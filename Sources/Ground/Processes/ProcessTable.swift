import Glibc

/// What /proc says about one process.
struct ProcessTable {
    struct Entry {
        let processID: Int32
        let parent: Int32
        let group: Int32
        /// User and system.
        let cpuTicks: Int64
        let residentPages: Int64
        let startTime: UInt64
        let isZombie: Bool
    }

    static func entry(_ processID: Int32) -> Entry? {
        guard let text = text(of: "/proc/\(processID)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        // The name before the last parenthesis may hold anything; field 3 follows it.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 21, let parent = Int32(fields[1]), let group = Int32(fields[2]), let startTime = UInt64(fields[19])
        else { return nil }
        return Entry(
            processID: processID, parent: parent, group: group, cpuTicks: (Int64(fields[11]) ?? 0) + (Int64(fields[12]) ?? 0),
            residentPages: Int64(fields[21]) ?? 0, startTime: startTime, isZombie: fields[0] == "Z" || fields[0] == "X")
    }

    /// Every process there is.
    static func all() -> [Entry] {
        guard let folder = unsafe opendir("/proc") else { return [] }
        defer { unsafe closedir(folder) }
        var entries: [Entry] = []
        while let item = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &item.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let processID = Int32(name), let entry = entry(processID) { entries.append(entry) }
        }
        return entries
    }

    static func children(of processID: Int32) -> [Int32] { all().filter { $0.parent == processID }.map(\.processID) }

    /// Whether a process of this group still runs (zombies have ended).
    static func isAlive(group: Int32) -> Bool {
        all().contains { $0.group == group && !$0.isZombie }
    }

    /// Where a descriptor of another process leads.
    static func target(ofDescriptor descriptor: Int32, in processID: Int32) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe buffer.withUnsafeMutableBytes { raw in
            unsafe readlink("/proc/\(processID)/fd/\(descriptor)", raw.baseAddress!.assumingMemoryBound(to: CChar.self), raw.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    private static func text(of path: String) -> String? {
        let bytes = bytes(of: path, limit: 1_024)
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// At most `limit` bytes of a file; none where it cannot be read.
    static func bytes(of path: String, limit: Int) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(limit, 64 << 10))
        while bytes.count < limit {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }
}
