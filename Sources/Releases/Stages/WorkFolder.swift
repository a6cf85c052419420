import Faults
import Glibc
import Processes

/// Folders and files that stages work in. Trees are copied and removed by the system's own tools, in a child process: no
/// thread of the cooperative pool waits for a disk.
struct WorkFolder: Sendable {
    let path: String

    /// The folder and those above it.
    func create() throws(Fault) {
        var built = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            built += "/\(part)"
            if unsafe mkdir(built, 0o755) == 0 || errno == EEXIST || errno == EISDIR { continue }
            let reason = unsafe String(cString: strerror(errno))
            throw Fault(
                what: "The folder \(built) cannot be made.", why: reason, fix: "Check its owner, its disk and the home's path.")
        }
    }

    /// Empty, whatever was there before.
    func empty() async throws(Fault) {
        try create()
        try await Self.run(["rm", "-rf", "--", path], beside: path)
        try create()
    }

    func remove() async {
        if Self.exists(path) { try? await Self.run(["rm", "-rf", "--", path], beside: path) }
    }

    /// The entries of another folder. Each is copied, so that a build that overwrites one spoils nothing, except what cannot
    /// well be: links, folders with links in them, what is over 64 MiB or takes ten seconds to measure, what may not be read,
    /// and the folder that this one stands in. Those are linked.
    func fill(from folder: String) async throws(Fault) {
        try await Self.run(["sh", "-c", Self.filling, "sh", folder, path], beside: path)
    }

    private static let filling = """
        copy() {
            [ -L "$1" ] && return 1
            case "$2/" in "$1"/*) return 1 ;; esac
            size=$(timeout 10 du -sk -- "$1" 2>/dev/null | cut -f1)
            [ "${size:-65537}" -le 65536 ] || return 1
            [ -z "$(find "$1" -type l -print -quit)" ] || return 1
            cp -Rp -- "$1" "$2/" 2>/dev/null && return 0
            rm -rf -- "$2/${1##*/}"
            return 1
        }
        for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
            [ -e "$entry" ] || [ -L "$entry" ] || continue
            copy "$entry" "$2" || ln -s -- "$entry" "$2/" || exit 1
        done
        """

    private static func run(_ arguments: [String], beside path: String) async throws(Fault) {
        let output = path + ".tool"
        defer { _ = unsafe unlink(output) }
        let plan = ChildPlan(
            arguments: arguments, directory: "/", environment: ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"],
            outputPath: output, outputLimit: 64 << 10)
        let status = try await Child.start(plan).wait(limit: .seconds(600))
        guard status == .exited(code: 0) else {
            throw Fault(
                what: "`\(arguments[0])` failed on \(path).", why: Child.tail(of: output),
                fix: "Check the owner of the files and the space on the disk.")
        }
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// A whole file of at most `bytesMax` bytes.
    static func read(_ path: String, bytesMax: Int) throws(Fault) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw Fault(
                .badConfiguration, what: "\(path) cannot be read.", why: unsafe String(cString: strerror(errno)),
                fix: "Check the path; relative ones start at the folder of the model's file.")
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= bytesMax else {
                throw Fault(
                    .limitReached, what: "\(path) is too large.", why: "It has more than \(bytesMax >> 20) MiB.",
                    fix: "Use fewer requests: a smoke test is a quick look.")
            }
        }
    }
}

/// What the children of a release find in their environment.
enum ChildEnvironment {
    /// Marks the processes of one attempt, so that a later life finds them although it never heard their ids.
    static let marker = "OPENCLAW_RELEASE"

    /// The daemon's own environment without what is meant for the daemon alone, and with `additions`.
    static func with(_ additions: [String: String]) -> [String: String] {
        var environment = inherited
        environment.merge(additions) { $1 }
        return environment
    }

    private static let inherited: [String: String] = {
        var environment: [String: String] = [:]
        let bytes = (try? WorkFolder.read("/proc/self/environ", bytesMax: 4 << 20)) ?? []
        for item in bytes.split(separator: 0) {
            let text = String(decoding: item, as: UTF8.self)
            guard let equals = text.firstIndex(of: "="), !text.hasPrefix("OPENCLAW_") else { continue }
            environment[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return environment
    }()

    /// The first processes of their groups that carry this mark.
    static func strays(marked mark: String) -> [(processID: Int32, startTime: UInt64)] {
        guard let folder = unsafe opendir("/proc") else { return [] }
        defer { unsafe closedir(folder) }
        let wanted = Array("\(marker)=\(mark)".utf8)
        var found: [(Int32, UInt64)] = []
        while let item = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &item.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let id = Int32(name), getpgid(id) == id,
                let environment = try? WorkFolder.read("/proc/\(id)/environ", bytesMax: 4 << 20),
                environment.split(separator: 0).contains(where: { $0.elementsEqual(wanted) }), let start = startTime(of: id)
            else { continue }
            found.append((id, start))
        }
        return found
    }

    /// Field 22 of /proc/PID/stat.
    private static func startTime(of id: Int32) -> UInt64? {
        guard let bytes = try? WorkFolder.read("/proc/\(id)/stat", bytesMax: 64 << 10) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}

/// A user's command line with `{version}` and the like filled in.
enum CommandLineTemplate {
    static func fill(_ line: String, _ values: [String: String]) -> String {
        var text = line
        for (name, value) in values {
            text = text.split(separator: "{\(name)}", omittingEmptySubsequences: false).joined(separator: quoted(value))
        }
        return text
    }

    /// A word for /bin/sh. Plain words stay bare, so that they may also stand inside the user's own quotes.
    static func quoted(_ value: String) -> String {
        let plain = value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "@"), UInt8(ascii: ":"),
                UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: ","):
                true
            default: false
            }
        }
        if plain, !value.isEmpty { return value }
        return "'" + value.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
