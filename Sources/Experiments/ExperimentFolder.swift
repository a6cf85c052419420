import Faults
import Glibc
import Ledger

/// Where experiments write their evidence down: one file per state, named by its digest; the newest few of each experiment.
///
/// A thread of its own is not worth it: a file of some kilobytes is written every few seconds.
actor ExperimentFolder {
    static let keptMax = 3
    static let bytesMax = 256 << 20

    private let directory: String
    /// What was written in this life, the oldest first.
    private var written: [String: [String]] = [:]

    init(directory: String) { self.directory = directory }

    /// Durable when it returns, under the digest it returns.
    func keep(_ experiment: String, _ bytes: [UInt8]) throws(Fault) -> String {
        let digest = SHA256.digest(of: bytes).hex
        let folder = "\(directory)/\(experiment)"
        for path in [directory, folder] where unsafe mkdir(path, 0o700) != 0 && errno != EEXIST {
            throw Self.fault(path, "made")
        }
        if !exists(path(experiment, digest)) { try write(bytes, to: path(experiment, digest), in: folder) }
        remember(digest, of: experiment)
        return digest
    }

    func kept(_ experiment: String, _ digest: String) -> [UInt8]? {
        guard let bytes = read(path(experiment, digest)), SHA256.digest(of: bytes).hex == digest else { return nil }
        return bytes
    }

    private func path(_ experiment: String, _ digest: String) -> String { "\(directory)/\(experiment)/\(digest).json" }

    private func exists(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }

    /// The ledger may name any of the newest few; older ones nobody asks for again.
    private func remember(_ digest: String, of experiment: String) {
        var digests = (written[experiment] ?? present(of: experiment)).filter { $0 != digest } + [digest]
        while digests.count > Self.keptMax { unsafe unlink(path(experiment, digests.removeFirst())) }
        written[experiment] = digests
    }

    /// What an earlier life left, in no order that matters: its newest is named by the ledger and read before this is asked.
    private func present(of experiment: String) -> [String] {
        guard let folder = unsafe opendir("\(directory)/\(experiment)") else { return [] }
        defer { unsafe closedir(folder) }
        var found: [(modified: Int, digest: String)] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard name.hasSuffix(".json") else { continue }
            var status = stat()
            guard unsafe stat("\(directory)/\(experiment)/\(name)", &status) == 0 else { continue }
            found.append((status.st_mtim.tv_sec, String(name.dropLast(5))))
        }
        return found.sorted { ($0.modified, $0.digest) < ($1.modified, $1.digest) }.map(\.digest)
    }

    private func write(_ bytes: [UInt8], to path: String, in folder: String) throws(Fault) {
        let draft = path + ".new"
        let file = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.fault(draft, "opened") }
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes[written...].withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            written += count
        }
        let isWhole = written == bytes.count && fsync(file) == 0
        close(file)
        guard isWhole, unsafe rename(draft, path) == 0 else { throw Self.fault(path, "written") }
        let parent = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if parent >= 0 {
            fsync(parent)
            close(parent)
        }
    }

    private func read(_ path: String) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= Self.bytesMax {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes += chunk[..<count]
        }
        return nil
    }

    private static func fault(_ path: String, _ verb: String) -> Fault {
        Fault(
            .unavailable, what: "The evidence cannot be kept.",
            why: unsafe "\(path) cannot be \(verb): \(String(cString: strerror(errno))).",
            fix: "Free space there, or make the folder writable.")
    }
}
