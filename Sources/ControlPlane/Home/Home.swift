public import Faults
import Glibc
import JSON

/// The folder one daemon keeps everything in, and where the command line finds it: `--home`, else `OPENCLAW_HOME`, else
/// `$XDG_STATE_HOME/openclaw`, else `~/.local/state/openclaw`.
public struct Home: Sendable, Equatable {
    public let path: String

    public init(path: String) { self.path = path }

    public static func locate(option: String?, environment: [String: String]) throws(Fault) -> Home {
        if let named = option ?? environment["OPENCLAW_HOME"], !named.isEmpty { return Home(path: absolute(named)) }
        // The XDG specification: a relative path there is to be ignored.
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return Home(path: "\(state)/openclaw") }
        guard let user = environment["HOME"], user.hasPrefix("/") else {
            throw Fault(
                .usage, what: "There is no home for OpenClaw.",
                why: "None of --home, OPENCLAW_HOME, XDG_STATE_HOME and HOME is set.",
                fix: "Name a folder: --home DIR.")
        }
        return Home(path: "\(user)/.local/state/openclaw")
    }

    /// A path as the shell of this process means it.
    public static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let here = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(here) }
        return unsafe "\(String(cString: here))/\(path)"
    }

    public var tokenFile: String { "\(path)/admin.token" }
    public var addressFile: String { "\(path)/daemon.json" }
    var lockFile: String { "\(path)/daemon.lock" }
    var tableFile: String { "\(path)/routes.json" }
    var artifacts: String { "\(path)/artifacts" }
    var outcomes: String { "\(path)/outcomes" }
    var releases: String { "\(path)/releases" }
    /// What units of experiments saw first.
    var units: String { "\(path)/units" }
    var experiments: String { "\(path)/experiments" }
    var training: String { "\(path)/training" }

    /// Makes the folder (and those above it), 0700: it holds keys and tokens.
    func create() throws(Fault) {
        var built = ""
        for part in path.split(separator: "/") {
            built += "/\(part)"
            if unsafe mkdir(built, 0o700) == 0 || errno == EEXIST || errno == EISDIR { continue }
            throw unusable(built, TextFile.systemError())
        }
        for inner in [artifacts, outcomes, releases, experiments, training] where unsafe mkdir(inner, 0o700) != 0 && errno != EEXIST
        {
            throw unusable(inner, TextFile.systemError())
        }
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw unusable(path, "it is not a folder")
        }
        guard status.st_uid == geteuid() else { throw unusable(path, "it belongs to another user") }
        if status.st_mode & 0o077 != 0, unsafe chmod(path, 0o700) != 0 { throw unusable(path, TextFile.systemError()) }
    }

    private func unusable(_ folder: String, _ why: String) -> Fault {
        Fault(
            .badConfiguration, what: "\(folder) cannot be OpenClaw's home.", why: "The system says: \(why).",
            fix: "Name a folder that this user owns: --home DIR or OPENCLAW_HOME.")
    }
}

/// Where the home's daemon can be reached: written by the daemon once it listens, read by the command line.
public struct DaemonAddress: Sendable, Equatable {
    public var control: String
    public var gateway: String

    public init(control: String, gateway: String) { (self.control, self.gateway) = (control, gateway) }

    /// Nil when no daemon has ever served this home.
    public static func read(in home: Home) throws(Fault) -> DaemonAddress? {
        guard let text = try TextFile.read(home.addressFile, bytesMax: 4_096) else { return nil }
        let json = try JSONValue(parsing: text)
        guard let control = json["control"]?.stringValue, let gateway = json["gateway"]?.stringValue else { return nil }
        return DaemonAddress(control: control, gateway: gateway)
    }

    /// Whether a daemon of this user serves the home at this moment: its token is sent to nobody who listens on an address
    /// that a dead one left behind. (The lock itself is not tried: a daemon that starts just then would find it held.)
    public static func isServed(_ home: Home) -> Bool {
        guard let text = try? TextFile.read(home.lockFile, bytesMax: 64), let process = Int32(text.filter(\.isNumber)) else {
            return false
        }
        return kill(process, 0) == 0
    }

    func write(in home: Home) throws(Fault) {
        try TextFile.write(
            (["control": .string(control), "gateway": .string(gateway)] as JSONValue).canonicalText, to: home.addressFile,
            mode: 0o600)
    }
}
