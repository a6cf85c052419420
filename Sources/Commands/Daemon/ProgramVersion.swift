import Arguments
import ControlPlane
import JSON

/// `openclaw version`: what this program is.
enum ProgramVersion {
    static let command = Command("version", summary: "The version of this program; its verbs are about versions of models") {
        invocation in
        let version = Daemon.version
        Output(invocation).show(["version": .string(version)]) { _ in "openclaw \(version)" }
    }
}
