public import Faults
import Glibc
import Ledger

/// Content-addressed files under `home/artifacts`: `sha256/ab/abcdef...`; a version's files are a manifest of blobs. Verified on
/// read. Everything runs on a thread of its own: files may be large, and Swift's cooperative threads are few.
public struct ArtifactStore: Sendable {
    /// What one artifact may hold; more is refused before it is stored.
    public struct Limits: Sendable {
        public var entries = 100_000
        public var bytes: Int64 = 64 << 30
        public var depth = 64
        public init() {}
    }

    public let directory: String
    let limits: Limits

    public init(directory: String, limits: Limits = Limits()) { (self.directory, self.limits) = (directory, limits) }

    /// Stores a file or folder; returns the digest of its manifest. Refused: links that leave the folder, sockets and devices,
    /// names that are not UTF-8, and what exceeds the limits.
    public func store(_ path: String) async throws(Fault) -> String {
        try await Self.ofThePool { () throws(Fault) in
            let manifest = try ArtifactWalk(root: path, limits: limits).manifest { (file) throws(Fault) in try keep(fileAt: file) }
            return try keep(manifest.text)
        }
    }

    /// Lays the files of a digest out under `path`, verifying each; a mismatch is a fault and nothing is used: `path` appears whole
    /// or not at all. It may exist as an empty folder.
    public func materialise(_ digest: String, at path: String) async throws(Fault) {
        try await Self.ofThePool { () throws(Fault) in
            let manifest = try manifest(digest)
            let partial = path + ".partial-" + Hexadecimal.text(of: SecureRandom.bytes(6))
            do throws(Fault) {
                try layOut(manifest, at: partial)
                guard unsafe rename(partial, path) == 0 else { throw Self.broken(path, "It cannot be put in its place") }
            } catch {
                Folder.remove(partial)
                throw error
            }
        }
    }

    /// Removes what a crash left half written.
    func sweep() { Folder.remove(directory + "/new") }

    /// Runs blocking work on a thread of its own.
    private static func ofThePool<Value: Sendable>(_ work: @escaping @Sendable () throws(Fault) -> Value) async throws(Fault)
        -> Value
    {
        let result: Result<Value, Fault> = await withCheckedContinuation { continuation in
            BlockingWork.start {
                do throws(Fault) { continuation.resume(returning: .success(try work())) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    // MARK: blobs

    private func blobPath(_ hex: String) -> String { "\(directory)/sha256/\(hex.prefix(2))/\(hex)" }

    /// Copies into the store while hashing, so that what is kept is what was hashed, whatever happens to the original meanwhile.
    private func keep(fileAt path: String) throws(Fault) -> (digest: String, size: Int64) {
        let source = try FileHandle(reading: path)
        return try keep { (write) throws(Fault) in try source.eachChunk(write) }
    }

    private func keep(_ text: String) throws(Fault) -> String {
        try keep { (write) throws(Fault) in try write(Array(text.utf8)) }.digest
    }

    private func keep(
        _ produce: (_ write: ([UInt8]) throws(Fault) -> Void) throws(Fault) -> Void
    ) throws(Fault) -> (digest: String, size: Int64) {
        try Folder.make(directory + "/new")
        let fresh = "\(directory)/new/\(Hexadecimal.text(of: SecureRandom.bytes(12)))"
        do throws(Fault) {
            var hash = SHA256()
            var size: Int64 = 0
            let target = try FileHandle(creating: fresh, mode: 0o444)
            try produce { (bytes) throws(Fault) in
                size += Int64(bytes.count)
                guard size <= limits.bytes else { throw Self.tooLarge("one file has more than \(limits.bytes) bytes") }
                hash.update(bytes)
                try target.write(bytes)
            }
            try target.sync()
            let hex = hash.finish().hex
            let path = blobPath(hex)
            try Folder.make("\(directory)/sha256/\(hex.prefix(2))")
            // Over an equal blob too: should that one be damaged, it is mended.
            guard unsafe rename(fresh, path) == 0 else { throw Self.broken(path, "It cannot be stored") }
            try Folder.sync("\(directory)/sha256/\(hex.prefix(2))")
            return ("sha256:" + hex, size)
        } catch {
            unsafe unlink(fresh)
            throw error
        }
    }

    /// Hands out the bytes of a blob, and throws after the last ones when they are not what was stored.
    private func read(_ digest: String, _ take: ([UInt8]) throws(Fault) -> Void) throws(Fault) {
        guard digest.hasPrefix("sha256:"), let expected = SHA256Digest(hex: String(digest.dropFirst(7))) else {
            throw Fault(
                .usage, what: "'\(digest)' is no digest.", why: "sha256: and 64 hexadecimal digits are expected.",
                fix: "Check where it comes from.")
        }
        let path = blobPath(expected.hex)
        var hash = SHA256()
        try FileHandle(reading: path).eachChunk { (bytes) throws(Fault) in
            hash.update(bytes)
            try take(bytes)
        }
        let found = hash.finish()
        guard found == expected else {
            throw Fault(
                what: "An artifact is damaged, and was not used.", why: "\(path) has the digest sha256:\(found.hex).",
                fix: "Build the version again under a new name, or restore the file from a copy.")
        }
    }

    // MARK: manifests

    private func manifest(_ digest: String) throws(Fault) -> ArtifactManifest {
        var bytes: [UInt8] = []
        try read(digest) { (chunk) throws(Fault) in
            guard bytes.count + chunk.count <= ArtifactManifest.bytesMax else {
                throw Self.tooLarge("its list of files is too long")
            }
            bytes += chunk
        }
        return try ArtifactManifest(bytes)
    }

    /// Links come last, so that no file is ever written through one.
    private func layOut(_ manifest: ArtifactManifest, at root: String) throws(Fault) {
        try Folder.make(root)
        for entry in manifest.entries {
            switch entry.kind {
            case .folder: try Folder.make("\(root)/\(entry.path)")
            case .file(let digest, let isExecutable):
                let target = try FileHandle(creating: "\(root)/\(entry.path)", mode: isExecutable ? 0o755 : 0o644)
                try read(digest) { (bytes) throws(Fault) in try target.write(bytes) }
            case .link: continue
            }
        }
        for entry in manifest.entries {
            guard case .link(let target) = entry.kind else { continue }
            guard unsafe symlink(target, "\(root)/\(entry.path)") == 0 else {
                throw Self.broken("\(root)/\(entry.path)", "It cannot be linked")
            }
        }
    }

    static func broken(_ path: String, _ what: String) -> Fault {
        Fault(
            what: "An artifact cannot be stored or read.", why: "\(what): \(path): \(unsafe String(cString: strerror(errno))).",
            fix: "Look at the folder's space and permissions.")
    }

    static func tooLarge(_ why: String) -> Fault {
        Fault(
            .limitReached, what: "The artifact is too large.", why: "\(why).",
            fix: "Leave out what serving does not need (data, caches, environments).")
    }
}
