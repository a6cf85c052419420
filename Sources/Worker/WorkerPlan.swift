public import Faults
import Glibc
import JSON
public import RPC

/// All that a Worker is told: written by the engine to a file that only its user may read, because a token stands in it.
public struct WorkerPlan: Codable, Equatable, Sendable {
    public var job: String
    public var attempt: Int
    /// The rank.
    public var slot: Int
    /// 0 for the first process of the slot in this attempt.
    public var life: Int
    public var world: Int
    public var node: String
    /// `unix:/path` or `host:port` of the daemon.
    public var daemon: String
    public var token: String
    /// argv of what the rank runs.
    public var command: [String]
    public var directory: String
    public var environment: [String: String]
    /// Where this Worker keeps `exit.json`.
    public var folder: String
    public var socket: String
    /// The rank's output, through all its lives.
    public var log: String
    /// Bytes; 0 for no limit.
    public var memoryMax: Int64
    /// Thousandths of a core; 0 for no limit.
    public var cpusMax: Int64
    /// What it shows a daemon that it reaches over a network; nil on the daemon's own machine.
    public var identity: RPCIdentity?
    /// Of the devices that the engine gives this Worker's step, those of this rank; nil where the environment says so itself.
    public var devices: Range<Int>?

    public init(
        job: String, attempt: Int, slot: Int, life: Int, world: Int, node: String, daemon: String, token: String,
        command: [String], directory: String, environment: [String: String], folder: String, socket: String, log: String,
        memoryMax: Int64, cpusMax: Int64
    ) {
        (self.job, self.attempt, self.slot, self.life, self.world, self.node) = (job, attempt, slot, life, world, node)
        (self.daemon, self.token, self.command, self.directory) = (daemon, token, command, directory)
        (self.environment, self.folder, self.socket, self.log) = (environment, folder, socket, log)
        (self.memoryMax, self.cpusMax) = (memoryMax, cpusMax)
    }

    /// Where the engine writes this, and its Worker reads it.
    public var path: String { Self.path(in: folder) }
    public static func path(in folder: String) -> String { "\(folder)/worker.json" }

    /// Stands in the environment of everything the rank starts, and of nothing else on this machine.
    public var mark: String { "OPENCLAW_WORKER_SOCKET=\(socket)" }

    /// The rank's environment, with what only the place that it runs in can say: which devices its engine gave it. Nothing else of the step that an engine starts a Worker in reaches the script:
    /// a framework that found a step of one task would take that for the world.
    var wholeEnvironment: [String: String] {
        var whole = environment
        guard let devices else { return whole }
        for name in WorkerPlan.deviceNames {
            guard let list = unsafe getenv(name).map({ unsafe String(cString: $0) }) else { continue }
            let all = list.split(separator: ",")
            guard devices.upperBound <= all.count else { continue }
            whole[name] = all[devices].joined(separator: ",")
        }
        return whole
    }

    private static let deviceNames = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"]

    static let bytesMax = 1 << 20

    public init(reading path: String) throws(Fault) {
        let bytes = PlainFile.read(path, limit: WorkerPlan.bytesMax)
        do {
            self = try JSONValue(parsing: bytes).decoded(as: WorkerPlan.self)
        } catch {
            throw Fault(
                .badConfiguration, what: "The Worker's plan \(path) cannot be used.", why: error.why,
                fix: "Workers are started by the daemon, not by hand.")
        }
    }

    public func write(to path: String) throws(Fault) {
        try PlainFile.write(Array(JSONValue(encoding: self).canonicalText.utf8), to: path)
    }
}

/// Small files of this user.
enum PlainFile {
    static func read(_ path: String, limit: Int) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < limit {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    /// Whole or not at all, and durable when it returns.
    static func write(_ bytes: [UInt8], to path: String) throws(Fault) {
        let draft = path + ".new"
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw fault(path) }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            guard count > 0 else { throw fault(path) }
            done += count
        }
        guard fsync(descriptor) == 0, unsafe rename(draft, path) == 0 else { throw fault(path) }
    }

    private static func fault(_ path: String) -> Fault {
        Fault(
            what: "\(path) cannot be written.", why: unsafe String(cString: strerror(errno)) + ".",
            fix: "See that its folder is writable and the disk has room.")
    }
}
