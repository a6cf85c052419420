import Faults
import JSON

/// What an artifact consists of, by path. Its canonical JSON is a blob like any other, and that blob's digest is the artifact's.
struct ArtifactManifest: Equatable {
    enum Kind: Equatable {
        case folder
        /// Only whether it may be run is kept of its mode, so that another umask makes no other artifact.
        case file(digest: String, isExecutable: Bool)
        case link(target: String)
    }
    struct Entry: Equatable {
        let path: String
        let kind: Kind
    }

    static let bytesMax = 64 << 20

    /// Sorted by path; a folder stands before what it holds.
    let entries: [Entry]

    init(_ entries: [Entry]) { self.entries = entries.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) } }

    var text: String { JSONValue.array(entries.map(\.json)).canonicalText }

    init(_ bytes: [UInt8]) throws(Fault) {
        guard let items = try JSONValue(parsing: bytes).arrayValue else { throw Self.malformed("it is no list") }
        var entries: [Entry] = []
        for item in items { entries.append(try Entry(item)) }
        self.entries = entries
    }

    static func malformed(_ why: String) -> Fault {
        Fault(
            what: "A digest does not name an artifact.", why: "Its content is no list of files: \(why).",
            fix: "Check where the digest comes from.")
    }
}

extension ArtifactManifest.Entry {
    fileprivate var json: JSONValue {
        switch kind {
        case .folder: ["path": .string(path), "mode": "040000"]
        case .file(let digest, let isExecutable):
            ["path": .string(path), "mode": isExecutable ? "100755" : "100644", "digest": .string(digest)]
        case .link(let target): ["path": .string(path), "mode": "120000", "target": .string(target)]
        }
    }

    fileprivate init(_ json: JSONValue) throws(Fault) {
        guard let path = json["path"]?.stringValue, ArtifactPath.staysInside(path) else {
            throw ArtifactManifest.malformed("a path leads outside")
        }
        self.path = path
        switch (json["mode"]?.stringValue, json["digest"]?.stringValue, json["target"]?.stringValue) {
        case ("040000", nil, nil): kind = .folder
        case ("100644", let digest?, nil): kind = .file(digest: digest, isExecutable: false)
        case ("100755", let digest?, nil): kind = .file(digest: digest, isExecutable: true)
        case ("120000", nil, let target?): kind = .link(target: target)
        default: throw ArtifactManifest.malformed("\(path) has an unknown mode")
        }
    }
}

/// Paths inside an artifact: relative, and nothing that climbs.
enum ArtifactPath {
    static func staysInside(_ path: String) -> Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !["", ".", ".."].contains($0) }
            && !path.utf8.contains(0)
    }
}
