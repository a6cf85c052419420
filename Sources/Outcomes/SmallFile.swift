import Glibc

/// A small file that is only a help: where it is missing or damaged, what it says is found out again.
enum SmallFile {
    static let bytesMax = 64 << 10

    static func read(_ path: String) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
        return count > 0 && count < bytesMax ? Array(bytes[..<count]) : nil
    }

    static func write(_ path: String, _ bytes: [UInt8]) {
        let temporary = path + ".new"
        let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
        let isDurable = written == bytes.count && fsync(file) == 0
        close(file)
        _ = isDurable ? unsafe rename(temporary, path) : unsafe unlink(temporary)
    }

    static func remove(_ path: String) { _ = unsafe unlink(path) }

    /// Names in a folder; empty when it cannot be read.
    static func names(in directory: String) -> [String] {
        guard let folder = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            names.append(
                unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                    unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                })
        }
        return names
    }

    /// New names in a folder are durable when this returns.
    static func syncFolder(_ directory: String) {
        let file = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { return }
        fsync(file)
        close(file)
    }
}
