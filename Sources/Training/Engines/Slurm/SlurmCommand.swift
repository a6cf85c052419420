import Faults
import Glibc
import Processes
import Synchronization

/// Slurm's own programs, as its users call them: each with its list of arguments, never through a shell.
final class SlurmCommand: Sendable {
    /// Where their output goes meanwhile.
    private let folder: String
    private let environment: [String: String]
    private let number = Atomic<Int>(0)

    static let outputBytesMax = 64 << 20
    /// For programs that ask and go; those that wait in Slurm's queue have none.
    static let patience = Duration.seconds(30)

    /// Of the daemon's environment they get what names the cluster and the user. Variables of an allocation that the daemon
    /// itself may run in (SLURM_JOB_ID and the like) would change what the options mean.
    init(folder: String) {
        self.folder = folder
        let names: Set = [
            "PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SLURM_CONF", "SLURM_CLUSTERS", "KRB5CCNAME",
        ]
        environment = RankEnvironment.inherited.filter { names.contains($0.key) }
    }

    /// Its output, once it has ended well.
    func run(_ arguments: [String], limit: Duration? = patience) async throws(Fault) -> String {
        try PlainFiles.make(folder)
        let output = "\(folder)/\(getpid())-\(number.wrappingAdd(1, ordering: .relaxed).newValue)"
        defer { unsafe unlink(output) }
        let child = try start(arguments, output: output, in: folder, outputLimit: Self.outputBytesMax)
        let status = await withTaskCancellationHandler {
            await child.wait(limit: limit)
        } onCancel: {
            Task { await child.stop() }
        }
        let text = String(decoding: PlainFiles.read(output, limit: Self.outputBytesMax), as: UTF8.self)
        guard status == .exited(code: 0) else {
            throw Fault(
                .unavailable, what: "Slurm did not do what \(arguments[0]) asked for.",
                why: status == .timedOut ? "It gave no answer." : Self.reason(text),
                fix: "See what `\(arguments.prefix(2).joined(separator: " "))` and `sinfo` say on this machine.")
        }
        return text
    }

    /// Starts one that stays, and outlives this daemon.
    func start(_ arguments: [String], output: String, in directory: String, outputLimit: Int) throws(Fault) -> Child {
        try Child.start(
            ChildPlan(
                arguments: arguments, directory: directory, environment: environment, outputPath: output, outputLimit: outputLimit))
    }

    /// The last thing it said, without the programs' own prefix.
    private static func reason(_ text: String) -> String {
        let lines = text.split(separator: "\n").filter { $0.contains("error:") }
        let last = lines.last ?? text.split(separator: "\n").last ?? "It said nothing."
        return String(last.split(separator: "error:", maxSplits: 1).last ?? last).trimmed + "."
    }
}

extension String {
    fileprivate var trimmed: String {
        let end = lastIndex { !$0.isWhitespace && $0 != "." }
        return end.map { String(self[...$0].drop { $0.isWhitespace }) } ?? ""
    }
}
