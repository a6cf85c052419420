import FoundationEssentials

/// The files of this repository, as text.
struct House {
    struct File {
        /// From the root: `Sources/Ground/JSON/JSONText.swift`.
        let path: String
        let text: String

        var name: String { String(path[path.index(after: path.lastIndex(of: "/") ?? path.startIndex)...]) }
        var lines: [Substring] { text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map(Substring.init) }
    }

    static let root = String(#filePath.dropLast("/Tests/TidyTests/House.swift".count))

    /// What the toolchain needs to be found and to find its own.
    static var toolchain: [String: String] {
        ProcessInfo.processInfo.environment.filter { ["PATH", "HOME", "TMPDIR"].contains($0.key) }
    }

    private static let skipped: Set<String> = [
        ".git", ".build", ".venv", ".venv-bench", ".demo", ".bench", "__pycache__", "shared", "node_modules",
    ]
    private static let endings = [
        ".swift", ".h", ".cpp", ".c", ".py", ".sh", ".md", ".yaml", ".yml", ".modulemap", "Makefile", "/run",
    ]

    /// Every text file below the root.
    static func files() throws -> [File] {
        var files: [File] = []
        try walk("", into: &files)
        return files
    }

    private static func walk(_ folder: String, into files: inout [File]) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: root + "/" + folder).sorted() where !skipped.contains(name)
        {
            let path = folder.isEmpty ? name : folder + "/" + name
            var isFolder = false
            guard FileManager.default.fileExists(atPath: root + "/" + path, isDirectory: &isFolder) else { continue }
            if isFolder {
                try walk(path, into: &files)
            } else if endings.contains(where: { path.hasSuffix($0) }),
                let data = FileManager.default.contents(atPath: root + "/" + path)
            {
                files.append(File(path: path, text: String(decoding: data, as: UTF8.self)))
            }
        }
    }
}

extension StringProtocol {
    /// Its identifiers and numbers. Byte by byte, because these tests read a whole repository without optimisation.
    var words: [Substring] {
        Substring(self).utf8.split { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x80...: false
            default: true
            }
        }.map(Substring.init)
    }

    /// Whether a short ASCII text stands in this one.
    func has(_ part: String) -> Bool {
        let part = Array(part.utf8)
        var bytes = Array(utf8)[...]
        while let start = bytes.firstIndex(of: part[0]) {
            bytes = bytes[start...]
            if bytes.starts(with: part) { return true }
            bytes = bytes.dropFirst()
        }
        return false
    }
}
