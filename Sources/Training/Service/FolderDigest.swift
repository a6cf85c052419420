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

    private static func names(in folder: String) -> [String]? {
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
