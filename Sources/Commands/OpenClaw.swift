import Arguments
import ControlPlane

/// The whole command line.
public enum OpenClaw {
    static let commands: [Command] = []

    static let common: [Parameter] = [
        .flag("json", "Print one JSON document"),
        .option("server", "URL", "The daemon to talk to; standard: the home's own"),
        .option("home", "DIR", "The daemon's home; standard: $OPENCLAW_HOME, else $XDG_STATE_HOME/openclaw"),
    ]

    /// `clawdbot` is the same binary under a second name.
    public static func run(_ arguments: [String], as program: String = "openclaw") async -> Int32 {
        let name = program.split(separator: "/").last == "clawdbot" ? "clawdbot" : "openclaw"
        let line = Arguments.CommandLine(
            program: name,
            summary: "Takes a model or a prompt from its training script to live users, and takes it back when it misbehaves.",
            commands: commands, common: common)
        return await line.run(arguments)
    }
}
