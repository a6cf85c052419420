import Faults
import Glibc
import JSON
import Ledger
import Sockets

/// Short digests of things that are recorded.
enum SHA256Text {
    static func digest(_ value: some Encodable) -> String { SHA256.digest(of: JSONValue(encoding: value).canonicalText).hex }
    /// A secret that nobody guesses.
    static func fresh() -> String { Hexadecimal.text(of: SecureRandom.bytes(32)) }
}

/// Over the text files of a folder: what a job ran from. Data is too large to be read for this; files up to 1 MiB count, the
/// first 10 000 of them.
struct FolderDigest: Sendable {
    static let fileBytesMax = 1 << 20
    static let filesMax = 10_000
    let path: String
    let left: [String]

    init(of path: String, without left: [String]) {
        (self.path, self.left) = (path, left.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 })
    }

    /// Nil where the folder cannot be read.
    func digest() async -> String? {
        (try? await Threads.run("digest") { read() }) ?? nil
    }

    private func read() -> String? {
        var digest = SHA256()
        var count = 0
        var folders = [""]
        while let folder = folders.popLast(), count < Self.filesMax {
            guard let names = Self.names(in: "\(path)/\(folder)") else { return folder.isEmpty ? nil : digest.finish().hex }
            for name in names where !name.hasPrefix(".") && name != "__pycache__" {
                let relative = folder.isEmpty ? name : "\(folder)/\(name)"
                if left.contains(relative) { continue }
                var status = stat()
                guard unsafe lstat("\(path)/\(relative)", &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR { folders.append(relative) }
                guard status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) <= Self.fileBytesMax, count < Self.filesMax else {
                    continue
                }
                count += 1
                digest.update(Array("\(relative)\u{0}\(status.st_size)\u{0}".utf8))
                digest.update(PlainFiles.read("\(path)/\(relative)", limit: Self.fileBytesMax))
            }
        }
        return digest.finish().hex
    }

    fileprivate static func names(in folder: String) -> [String]? {
        guard let handle = unsafe opendir(folder) else { return nil }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let item = unsafe readdir(handle) {
            let name = unsafe withUnsafeBytes(of: &item.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

/// Over what a job trains on: every file of the paths it named, whole, by its place below them.
struct DataDigest: Sendable {
    static let filesMax = 1_000_000
    private static let pieceBytes = 1 << 20
    let paths: [String]
    let directory: String

    init(paths: [String], in directory: String) { (self.paths, self.directory) = (paths, directory) }

    /// Where a named path is.
    private func place(of path: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }

    /// The first of the paths that is not there.
    var missing: String? { paths.first { PlainFiles.identity(place(of: $0)) == nil } }

    func digest() async throws(Fault) -> String {
        let result = try await Threads.run("digest") { () -> Result<String, Fault> in
            do throws(Fault) { return .success(try read()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private func read() throws(Fault) -> String {
        var digest = SHA256()
        var count = 0
        for path in paths {
            var waiting = [path]
            while let next = waiting.popLast() {
                let place = place(of: next)
                var status = stat()
                // What is named may be a link; inside a folder a link to a folder could lead round in circles.
                guard unsafe (next == path ? stat(place, &status) : lstat(place, &status)) == 0 else { throw unreadable(next) }
                if status.st_mode & S_IFMT == S_IFLNK, unsafe stat(place, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
                    continue
                }
                if status.st_mode & S_IFMT == S_IFDIR {
                    guard let names = FolderDigest.names(in: place) else { throw unreadable(next) }
                    waiting += names.reversed().map { "\(next)/\($0)" }
                }
                guard status.st_mode & S_IFMT == S_IFREG else { continue }
                count += 1
                guard count <= Self.filesMax else {
                    throw Fault(
                        .limitReached, what: "The data of the job cannot be digested.",
                        why: "It has more than \(Self.filesMax) files.", fix: "Name less of it under `data:`.")
                }
                digest.update(Array("\(next)\u{0}\(status.st_size)\u{0}".utf8))
                try add(place, size: Int(status.st_size), to: &digest)
            }
        }
        return digest.finish().hex
    }

    private func add(_ place: String, size: Int, to digest: inout SHA256) throws(Fault) {
        var at = 0
        while at < size {
            let piece = PlainFiles.read(place, from: at, limit: min(Self.pieceBytes, size - at))
            guard !piece.isEmpty else { throw unreadable(place) }
            digest.update(piece)
            at += piece.count
        }
    }

    private func unreadable(_ path: String) -> Fault {
        Fault(
            .badConfiguration, what: "The data of the job cannot be digested.", why: "\(path) cannot be read.",
            fix: "Correct `data:`; paths are relative to `workdir:`.")
    }
}
