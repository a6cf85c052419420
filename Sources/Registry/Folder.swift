import Faults
import Glibc

/// Folders and links on disk.
enum Folder {
    /// Makes a folder and those above it; one that exists is fine.
    static func make(_ path: String) throws(Fault) {
        if unsafe mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw ArtifactStore.broken(path, "The folder cannot be made")
        }
        try make(String(path[..<slash]))
        guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw ArtifactStore.broken(path, "The folder cannot be made")
        }
    }

    /// What a folder holds, sorted; names that are not UTF-8 are refused, because a manifest could not name them.
    static func names(in path: String) throws(Fault) -> [String] {
        guard let folder = unsafe opendir(path) else { throw ArtifactStore.broken(path, "The folder cannot be read") }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let item = unsafe readdir(folder) {
            let bytes = unsafe withUnsafeBytes(of: &item.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            guard let name = String(validating: bytes, as: UTF8.self) else {
                throw Fault(
                    what: "A file's name is not UTF-8.", why: "In \(path): \(String(decoding: bytes, as: UTF8.self)).",
                    fix: "Rename it.")
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Where the kernel ends when it follows a path; nil when it leads nowhere.
    static func realPath(_ path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    static func target(ofLink path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe buffer.withUnsafeMutableBytes { raw in
            unsafe readlink(path, raw.baseAddress!.assumingMemoryBound(to: CChar.self), raw.count)
        }
        return count > 0 ? String(validating: buffer[..<count], as: UTF8.self) : nil
    }

    /// Makes renames in a folder last.
    static func sync(_ path: String) throws(Fault) { try FileHandle(reading: path, isFolder: true).sync() }

    /// Removes a folder with all it holds, as far as that goes; links are removed, not followed.
    static func remove(_ path: String) {
        for name in (try? names(in: path)) ?? [] {
            let inner = path + "/" + name
            var status = stat()
            if unsafe lstat(inner, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { remove(inner) } else { unsafe unlink(inner) }
        }
        unsafe rmdir(path)
    }
}

/// One open file; closed when it goes.
struct FileHandle: ~Copyable {
    private static let chunkBytes = 1 << 20

    private let descriptor: Int32
    private let path: String

    init(reading path: String, isFolder: Bool = false) throws(Fault) {
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (isFolder ? O_DIRECTORY : O_NONBLOCK))
        self.path = path
        guard descriptor >= 0 else { throw ArtifactStore.broken(path, "It cannot be read") }
    }

    /// Creates a file that must not exist yet.
    init(creating path: String, mode: mode_t) throws(Fault) {
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        self.path = path
        guard descriptor >= 0 else { throw ArtifactStore.broken(path, "It cannot be written") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func eachChunk(_ take: ([UInt8]) throws(Fault) -> Void) throws(Fault) {
        var buffer = [UInt8](repeating: 0, count: Self.chunkBytes)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR { continue }
                throw ArtifactStore.broken(path, "It cannot be read")
            }
            try take(Array(buffer[..<count]))
        }
    }

    func write(_ bytes: [UInt8]) throws(Fault) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw ArtifactStore.broken(path, "It cannot be written")
            }
            rest = rest.dropFirst(count)
        }
    }

    func sync() throws(Fault) {
        guard fsync(descriptor) == 0 else { throw ArtifactStore.broken(path, "It cannot be made to last") }
    }
}
