import Glibc

/// A fresh folder, removed at the end with everything in it.
final class Folder: Sendable {
    let path: String
    init() {
        var template = Array("/tmp/openclaw-ledger-XXXXXX".utf8CString)
        path = unsafe template.withUnsafeMutableBufferPointer { unsafe String(cString: mkdtemp($0.baseAddress!)) }
    }
    deinit {
        for name in Folder.names(in: path) { unsafe unlink("\(path)/\(name)") }
        unsafe rmdir(path)
    }

    static func names(in path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let item = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &item.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func bytes(of path: String) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(file, 0, SEEK_END)))
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
        precondition(count == bytes.count)
        return bytes
    }

    static func write(_ bytes: [UInt8], to path: String) {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        precondition(file >= 0)
        defer { close(file) }
        let count = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) }
        precondition(count == bytes.count)
    }
}
