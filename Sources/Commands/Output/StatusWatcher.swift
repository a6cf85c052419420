import Arguments
import Faults
import HTTP
import JSON
import Telemetry

/// Follows one release or experiment until it is decided. On a terminal its screen is drawn again in place; elsewhere a line is
/// printed when something moved. A daemon that restarts meanwhile is waited for.
struct StatusWatcher {
    /// What is followed, and how it is shown.
    struct Subject: Sendable {
        /// `release`
        let noun: String
        /// Under `/api/v1`.
        let collection: String
        let isDecided: @Sendable (JSONValue) -> Bool
        let text: @Sendable (JSONValue, Style) -> String
        let line: @Sendable (JSONValue) -> String
        /// What of the line is told at once; the rest are figures that move all the time.
        let milestone: @Sendable (JSONValue) -> String
        /// States that end the command with exit code 1.
        let failures: Set<String>

        static let release = Subject(
            noun: "release", collection: "releases", isDecided: ReleaseScreen.isDecided,
            text: { ReleaseScreen.text($0, $1, now: .now()) }, line: ReleaseScreen.line, milestone: ReleaseScreen.line,
            failures: ["rolled_back", "failed"])
        static let experiment = Subject(
            noun: "experiment", collection: "experiments", isDecided: ExperimentScreen.isDecided,
            text: { ExperimentScreen.text($0, $1, now: .now()) }, line: ExperimentScreen.line, milestone: ExperimentScreen.line,
            failures: ["failed"])
        static let job = Subject(
            noun: "job", collection: "jobs", isDecided: TrainScreen.isDecided,
            text: { TrainScreen.text($0, $1, now: .now()) }, line: TrainScreen.line, milestone: TrainScreen.milestone,
            failures: ["failed", "cancelled"])
    }

    /// How long a daemon may be away.
    private static let patience = Duration.seconds(60)
    /// Between two lines in which only figures moved.
    private static let pace = Duration.seconds(5)

    private let subject: Subject
    private let invocation: Invocation
    private let output: Output

    init(_ subject: Subject, _ invocation: Invocation) {
        (self.subject, self.invocation, self.output) = (subject, invocation, Output(invocation))
    }

    func watch(_ name: String) async throws {
        var drawing = Drawing()
        while true {
            let path = "/api/v1/\(subject.collection)/\(APIClient.segment(name))/events"
            // The client goes with its events: they end when it does.
            let followed = try await Persistence.reaching(
                "the \(subject.noun) is followed again", patience: StatusWatcher.patience, output
            ) { () async throws(Fault) in
                let client = try APIClient(invocation)
                return (client, try await client.events(path))
            }
            for await event in followed.1 where event.name == "status" {
                guard let status = try? JSONValue(parsing: event.data) else { continue }
                show(status, &drawing)
                guard subject.isDecided(status) else { continue }
                if output.isJSON || !output.isTerminal { output.show(status) { style in subject.text(status, style) } }
                if let state = status["state"]?.stringValue, subject.failures.contains(state) { throw SilentExit(code: 1) }
                return
            }
            try? await Task.sleep(for: .milliseconds(200))  // it ended without a word: not at once again
        }
    }

    private struct Drawing {
        var lines = 0
        var last = ""
        var milestone = ""
        var at = ContinuousClock.now
    }

    private func show(_ status: JSONValue, _ drawing: inout Drawing) {
        if output.isJSON { return }
        if output.isTerminal {
            let screen = subject.text(status, output.style)
            // Up to where the last screen began, and everything below it is cleared.
            output.write((drawing.lines > 0 ? "\u{1B}[\(drawing.lines)A\u{1B}[J" : "") + screen)
            drawing.lines = Terminal.rows(of: screen, columns: Terminal.columns)
        } else {
            let line = subject.line(status)
            let milestone = subject.milestone(status)
            guard line != drawing.last, milestone != drawing.milestone || drawing.at.duration(to: .now) >= Self.pace else { return }
            output.write(line)
            (drawing.last, drawing.milestone, drawing.at) = (line, milestone, .now)
        }
    }
}
