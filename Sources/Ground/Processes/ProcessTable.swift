import Glibc

/// What /proc says about one process.
struct ProcessTable {
    struct Entry {
        let processID: Int32
        let group: Int32
        let startTime: UInt64
        let isZombie: Bool
    }

    static func entry(_ processID: Int32) -> Entry? {
        guard let text = text(of: "/proc/\(processID)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        // The name before the last parenthesis may hold anything; field 3 follows it.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let group = Int32(fields[2]), let startTime = UInt64(fields[19]) else { return nil }
        return Entry(processID: processID, group: group, startTime: startTime, isZombie: fields[0] == "Z" || fields[0] == "X")
    }

    /// Whether a process of this group still runs (zombies have ended).
    static func isAlive(group: Int32) -> Bool {
        guard let folder = unsafe opendir("/proc") else { return false }
        defer { unsafe closedir(folder) }
        while let item = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &item.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let processID = Int32(name), let entry = entry(processID) else { continue }
            if entry.group == group, !entry.isZombie { return true }
        }
        return false
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
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 1_024)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
