public import Glibc

/// A fresh folder for one test, removed with everything in it when nobody holds it any more.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() {
        var template = Array("/tmp/openclaw-test-XXXXXX".utf8CString)
        guard let made = unsafe template.withUnsafeMutableBufferPointer({ unsafe mkdtemp($0.baseAddress!) }) else {
            preconditionFailure("no temporary folder: errno \(errno)")
        }
        path = unsafe String(cString: made)
    }

    deinit { TemporaryFolder.remove(path) }

    // MARK: What is in it

    /// Sorted.
    public var names: [String] { TemporaryFolder.names(in: path) }

    public func bytes(of name: String) -> [UInt8] { TemporaryFolder.bytes(of: "\(path)/\(name)") }

    public func text(of name: String) -> String { String(decoding: bytes(of: name), as: UTF8.self) }

    @discardableResult
    public func write(_ bytes: [UInt8], to name: String, mode: mode_t = 0o600) -> String {
        TemporaryFolder.write(bytes, to: "\(path)/\(name)", mode: mode)
        return "\(path)/\(name)"
    }

    /// Returns the file's path.
    @discardableResult
    public func write(_ text: String, to name: String, mode: mode_t = 0o600) -> String {
        write(Array(text.utf8), to: name, mode: mode)
    }

    // MARK: The same by whole paths

    public static func names(in path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let item = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &item.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Empty when there is no such file.
    public static func bytes(of path: String) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }

    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        precondition(file >= 0, "cannot write \(path): errno \(errno)")
        defer { close(file) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            precondition(count > 0, "cannot write \(path): errno \(errno)")
            rest = rest.dropFirst(count)
        }
    }

    /// Links are removed, not followed.
    private static func remove(_ path: String) {
        for name in names(in: path) {
            let inner = "\(path)/\(name)"
            var status = stat()
            if unsafe lstat(inner, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { remove(inner) } else { unsafe unlink(inner) }
        }
        unsafe rmdir(path)
    }
}
