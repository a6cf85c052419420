import Faults
import Glibc

/// Goes through a file or folder that is to be stored, and refuses what cannot be laid out again elsewhere.
struct ArtifactWalk {
    let root: String
    let limits: ArtifactStore.Limits
    /// The real path of the root: links must end inside it.
    private let real: String

    private struct Tally {
        var entries: [ArtifactManifest.Entry] = []
        var bytes: Int64 = 0
    }

    init(root: String, limits: ArtifactStore.Limits) throws(Fault) {
        (self.root, self.limits) = (root, limits)
        guard let real = Folder.realPath(root) else { throw ArtifactStore.broken(root, "There is nothing to store") }
        self.real = real
    }

    func manifest(
        keep: (_ file: String) throws(Fault) -> (digest: String, size: Int64)
    ) throws(Fault) -> ArtifactManifest {
        var tally = Tally()
        let status = try status(of: real)
        if status.st_mode & S_IFMT == S_IFDIR {
            try walk("", depth: 0, into: &tally, keep: keep)
        } else {
            // A single file stands under its own name.
            let name = root.split(separator: "/").last.map(String.init) ?? "artifact"
            try add(name, at: real, depth: 0, into: &tally, keep: keep)
        }
        return ArtifactManifest(tally.entries)
    }

    private func walk(
        _ folder: String, depth: Int, into tally: inout Tally, keep: (String) throws(Fault) -> (digest: String, size: Int64)
    ) throws(Fault) {
        guard depth <= limits.depth else { throw ArtifactStore.tooLarge("its folders are nested more than \(limits.depth) deep") }
        for name in try Folder.names(in: "\(real)/\(folder)") {
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            try add(path, at: "\(real)/\(path)", depth: depth, into: &tally, keep: keep)
        }
    }

    private func add(
        _ path: String, at place: String, depth: Int, into tally: inout Tally,
        keep: (String) throws(Fault) -> (digest: String, size: Int64)
    ) throws(Fault) {
        guard tally.entries.count < limits.entries else {
            throw ArtifactStore.tooLarge("it has more than \(limits.entries) files and folders")
        }
        let status = try status(of: place)
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            tally.entries.append(.init(path: path, kind: .folder))
            try walk(path, depth: depth + 1, into: &tally, keep: keep)
        case S_IFREG:
            guard tally.bytes + Int64(status.st_size) <= limits.bytes else {
                throw ArtifactStore.tooLarge("it has more than \(limits.bytes) bytes")
            }
            let (digest, size) = try keep(place)
            tally.bytes += size
            tally.entries.append(.init(path: path, kind: .file(digest: digest, isExecutable: status.st_mode & S_IXUSR != 0)))
        case S_IFLNK:
            tally.entries.append(.init(path: path, kind: .link(target: try target(of: place))))
        default:
            throw refusal(
                path, "it is neither a file nor a folder (a socket, a pipe or a device)", fix: "Remove it from the artifact.")
        }
    }

    /// A link is kept when it ends inside the folder, both as it is written and as the kernel follows it.
    private func target(of link: String) throws(Fault) -> String {
        guard let target = Folder.target(ofLink: link) else { throw ArtifactStore.broken(link, "It cannot be read") }
        guard !target.hasPrefix("/"), let end = Folder.realPath(link), end == real || end.hasPrefix(real + "/") else {
            throw refusal(
                link, "it is a link to \(target), which leads outside or nowhere",
                fix: "Copy what it points to, or link to it by a relative path inside.")
        }
        return target
    }

    private func status(of path: String) throws(Fault) -> stat {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { throw ArtifactStore.broken(path, "It cannot be looked at") }
        return status
    }

    private func refusal(_ path: String, _ why: String, fix: String) -> Fault {
        Fault(what: "\(path) cannot be part of an artifact.", why: "In \(root): \(why).", fix: fix)
    }
}
