import Arguments
import Faults
import HTTP
import JSON
import Telemetry

/// Follows one experiment until it has ended. On a terminal its screen is drawn again in place; elsewhere a line is printed when
/// something moved. A daemon that restarts meanwhile is waited for.
struct ExperimentWatcher {
    /// How long a daemon may be away.
    static let patience = Duration.seconds(60)

    private let invocation: Invocation
    private let output: Output

    init(_ invocation: Invocation) { (self.invocation, self.output) = (invocation, Output(invocation)) }

    /// Ends with exit code 1 when the experiment could not begin.
    func watch(_ name: String) async throws {
        var drawing = Drawing()
        while true {
            let events = try await Persistence.reaching(
                "the experiment is followed again", patience: ExperimentWatcher.patience, output
            ) { () async throws(Fault) in
                let client = try APIClient(invocation)
                // The client goes with its events: they end when it does.
                return (client, try await client.events("/api/v1/experiments/\(APIClient.segment(name))/events"))
            }
            for await event in events.1 where event.name == "status" {
                guard let status = try? JSONValue(parsing: event.data) else { continue }
                show(status, &drawing)
                guard ExperimentScreen.isDecided(status) else { continue }
                if output.isJSON || !output.isTerminal {
                    output.show(status) { style in ExperimentScreen.text(status, style, now: .now()) }
                }
                if status["state"] == "failed" { throw SilentExit(code: 1) }
                return
            }
        }
    }

    private struct Drawing {
        var lines = 0
        var last = ""
    }

    private func show(_ status: JSONValue, _ drawing: inout Drawing) {
        if output.isJSON { return }
        if output.isTerminal {
            let screen = ExperimentScreen.text(status, output.style, now: .now())
            // Up to where the last screen began, and everything below it is cleared.
            output.write((drawing.lines > 0 ? "\u{1B}[\(drawing.lines)A\u{1B}[J" : "") + screen)
            drawing.lines = Terminal.rows(of: screen, columns: Terminal.columns)
        } else {
            let line = ExperimentScreen.line(status)
            if line != drawing.last { output.write(line) }
            drawing.last = line
        }
    }
}
