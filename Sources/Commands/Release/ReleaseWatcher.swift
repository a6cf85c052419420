import Arguments
import Faults
import HTTP
import JSON
import Telemetry

/// Follows one release until it is decided. On a terminal its screen is drawn again in place; elsewhere a line is printed when
/// something moved. A daemon that restarts meanwhile is waited for.
struct ReleaseWatcher {
    /// How long a daemon may be away.
    static let patience = Duration.seconds(60)

    private let invocation: Invocation
    private let output: Output

    init(_ invocation: Invocation) { (self.invocation, self.output) = (invocation, Output(invocation)) }

    /// Ends with exit code 1 when the release was rolled back or failed.
    func watch(_ name: String) async throws {
        var drawing = Drawing()
        while true {
            let client = try await Persistence.reaching("the release is followed again", patience: ReleaseWatcher.patience, output)
            {
                () async throws(Fault) in
                let client = try APIClient(invocation)
                return (client, try await client.events("/api/v1/releases/\(APIClient.segment(name))/events"))
            }
            for await event in client.1 where event.name == "status" {
                guard let status = try? JSONValue(parsing: event.data) else { continue }
                show(status, &drawing)
                guard ReleaseScreen.isDecided(status) else { continue }
                finish(status, drawing)
                if ["rolled_back", "failed"].contains(status["state"]) { throw SilentExit(code: 1) }
                return
            }
            try? await Task.sleep(for: .milliseconds(200))  // it ended without a word: not at once again
        }
    }

    private struct Drawing {
        var lines = 0
        var last = ""
    }

    private func show(_ status: JSONValue, _ drawing: inout Drawing) {
        if output.isJSON { return }
        if output.isTerminal {
            let screen = ReleaseScreen.text(status, output.style, now: .now())
            // Up to where the last screen began, and everything below it is cleared.
            output.write((drawing.lines > 0 ? "\u{1B}[\(drawing.lines)A\u{1B}[J" : "") + screen)
            drawing.lines = Terminal.rows(of: screen, columns: Terminal.columns)
        } else {
            let line = ReleaseScreen.line(status)
            if line != drawing.last { output.write(line) }
            drawing.last = line
        }
    }

    private func finish(_ status: JSONValue, _ drawing: Drawing) {
        if output.isJSON || !output.isTerminal { output.show(status) { style in ReleaseScreen.text(status, style, now: .now()) } }
    }
}
