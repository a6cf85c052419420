import Arguments
import ControlPlane
import Faults
import Glibc
import Sockets
import Training

/// `openclaw serve`: both planes in the foreground, until a signal.
enum Serve {
    static let command = Command(
        "serve", summary: "Run the gateway and the control plane in the foreground",
        discussion: """
            The gateway serves live traffic, the control plane everything else. Both listen on loopback unless told otherwise.
            SIGTERM and SIGINT let requests in flight finish. Model servers that a release started live on, and the next
            `openclaw serve` takes them up again; --stop-servers stops them too.
            Training jobs run on this machine, or with --engine slurm on the nodes of a Slurm cluster whose commands work here:
            one allocation per job, one step per rank. This home, the jobs' folders and this program must then stand where the
            nodes see them too. Workers reach the daemon at --workers, with certificates that it makes itself.
            """,
        parameters: [
            .option("gateway", "ADDR", "Where live traffic is served; standard: 127.0.0.1:7700"),
            .option("control", "ADDR", "Where the control API listens; standard: 127.0.0.1:7701"),
            .option("loops", "N", "Event loops of the gateway; standard: one per core"),
            .option(
                "allow-origin", "ORIGIN", "Let pages of this origin send feedback and ask for evaluations at the gateway",
                repeats: true),
            .option("apply", "FILE", "Apply these files at start; several may follow", repeats: true),
            .operands("FILE", "More files for --apply", minimum: 0),
            .option("engine", "NAME", "What starts the ranks of training jobs: local (standard) or slurm"),
            .option("workers", "ADDR", "Where Workers on other machines come in (slurm); standard: 127.0.0.1:7702"),
            .option(
                "slurm", "OPTION", "An option of salloc for every allocation: --slurm=--partition=gpu --slurm=--time=1-0",
                repeats: true),
            .flag("stop-servers", "Stop the model servers at the end too"),
        ]
    ) { invocation in
        let settings = try settings(invocation)
        let signals = StopSignals()
        let daemon = try await Daemon.start(settings)
        await signals.first()
        await daemon.drain()
    }

    static func settings(_ invocation: Invocation) throws(Fault) -> Daemon.Settings {
        let files = invocation.values("apply") + invocation.values("FILE")
        if let stray = invocation.values("FILE").first, invocation.values("apply").isEmpty {
            throw Fault(
                .usage, what: "'\(stray)' is one word too many.", why: "Files to apply follow --apply.",
                fix: "openclaw serve --apply \(stray)")
        }
        var settings = Daemon.Settings(
            home: try Home.locate(option: invocation.value("home"), environment: Environment.current).path,
            gateway: try SocketAddress(parsing: invocation.value("gateway") ?? "127.0.0.1:7700", defaultPort: 7700),
            control: try SocketAddress(parsing: invocation.value("control") ?? "127.0.0.1:7701", defaultPort: 7701),
            loops: try loops(invocation.value("loops")), applyFiles: files, stopServersAtExit: invocation.has("stop-servers"))
        for text in invocation.values("allow-origin") { settings.origins.append(try PageOrigins.origin(text)) }
        settings.engine = try engine(invocation)
        return settings
    }

    private static func engine(_ invocation: Invocation) throws(Fault) -> EngineChoice {
        let name = invocation.value("engine") ?? "local"
        let isSlurm = name == "slurm"
        for option in ["workers", "slurm"] where !isSlurm && invocation.has(option) {
            throw Fault(
                .usage, what: "--\(option) says nothing here.", why: "Engine \(name) starts ranks on this machine.",
                fix: "Leave it out, or add --engine slurm.")
        }
        if name == "local" { return .local }
        guard isSlurm else {
            throw Fault(
                .usage, what: "There is no engine '\(name)'.", why: "It is one of \(EngineChoice.names.joined(separator: ", ")).",
                fix: Suggestion.closest(to: name, among: EngineChoice.names).map { "Did you mean \($0)?" }
                    ?? "Write local or slurm.")
        }
        let address = try SocketAddress(parsing: invocation.value("workers") ?? "127.0.0.1:7702", defaultPort: 7702)
        for option in invocation.values("slurm") where !option.hasPrefix("-") {
            throw Fault(
                .usage, what: "--slurm cannot be '\(option)'.", why: "It is an option of salloc, with its dashes.",
                fix: "Write it like --slurm=--partition=gpu.")
        }
        return .slurm(SlurmSettings(options: invocation.values("slurm"), address: address.text))
    }

    private static func loops(_ text: String?) throws(Fault) -> Int {
        guard let text else { return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
        guard let count = Int(text), (1...256).contains(count) else {
            throw Fault(
                .usage, what: "--loops cannot be '\(text)'.", why: "It is a number of event loops.",
                fix: "Give a number from 1 to 256.")
        }
        return count
    }
}
