import Arguments
import ControlPlane
import Faults
import JSON
import Training

/// `openclaw train simulate --trace jobs.csv --nodes 8 --gpus-per-node 8 --policy fifo`: offline.
enum TrainSimulate {
    static let command = Command(
        "train simulate", summary: "Replay a trace of jobs in virtual time, by the very code that places real ones",
        discussion: """
            The trace is a CSV file with the columns job_id,vc,submit_s,duration_s,gpus. Times in what is printed are seconds after the \
            first job that is replayed.

              openclaw train simulate --trace jobs.csv --vc 2869ce --nodes 8 --gpus-per-node 8 --policy shortest-remaining

            Policies: \(QueuePolicy.all.map(\.name).joined(separator: ", ")). Placements: \
            \(Gang.Spread.allCases.map(\.rawValue).joined(separator: ", ")) (count: wherever GPUs are free; consolidate: one node, or \
            nodes that are wholly free; pack: like consolidate where that is possible, else as few nodes as may be).
            """,
        parameters: [
            .option("trace", "FILE", "The jobs, as CSV"),
            .option("vc", "NAME", "Only the jobs of one virtual cluster; standard: all"),
            .option("nodes", "N", "How many nodes there are"),
            .option("gpus-per-node", "N", "GPUs of each; standard: 8"),
            .option("policy", "NAME", "How the queue is ordered; standard: fifo"),
            .option("placement", "NAME", "How ranks may lie on nodes; standard: pack"),
            .option("jobs-out", "FILE", "Write job_id,submit_s,start_s,end_s of each job there"),
        ]
    ) { invocation in
        let output = Output(invocation)
        let setting = try Setting(invocation)
        let text = try TextFile.read(setting.path, bytesMax: traceBytesMax)
        guard let text else {
            throw Fault(
                .badConfiguration, what: "There is no file \(setting.path).", why: "--trace names it.", fix: "Check the path.")
        }
        let trace = try JobTrace(csv: Array(text.utf8), vc: setting.vc, file: setting.path)
        var replay = TraceReplay(
            trace, nodes: setting.nodes, gpusPerNode: setting.gpusPerNode, policy: setting.policy, spread: setting.spread)
        let clock = ContinuousClock()
        let took = clock.measure {
            replay.run { ended in
                if output.isTerminal {
                    output.progress("\(Figures.count(Int64(ended))) of \(Figures.count(Int64(trace.jobs.count))) jobs")
                }
            }
        }
        if output.isTerminal { output.progress("") }
        if let path = setting.jobsOut { try TextFile.write(csv(replay), to: Home.absolute(path), mode: 0o644) }
        let summary = ReplaySummary(replay, of: trace)
        output.show(facts(summary, replay, setting, took)) { screen(summary, replay, setting, took, $0) }
    }

    /// The Philly trace is 2 MB.
    private static let traceBytesMax = 1 << 30

    /// What was asked for.
    private struct Setting {
        let path: String
        let vc: String?
        let nodes: Int
        let gpusPerNode: Int
        let policy: QueuePolicy
        let spread: Gang.Spread
        let jobsOut: String?

        init(_ invocation: Invocation) throws(Fault) {
            guard let trace = invocation.value("trace") else {
                throw Setting.wrong("There is no trace to replay", "--trace is missing", "name the file: --trace jobs.csv")
            }
            (path, vc, jobsOut) = (Home.absolute(trace), invocation.value("vc"), invocation.value("jobs-out"))
            guard let nodes = invocation.value("nodes") else {
                throw Setting.wrong("There are no nodes to replay on", "--nodes is missing", "say how many: --nodes 8")
            }
            self.nodes = try Setting.number(nodes, "nodes", 1...100_000)
            gpusPerNode = try Setting.number(invocation.value("gpus-per-node") ?? "8", "gpus-per-node", 1...1_024)
            let policy = invocation.value("policy") ?? QueuePolicy.fifo.name
            guard let known = QueuePolicy.all.first(where: { $0.name == policy }) else {
                throw Setting.unknown("policy", policy, QueuePolicy.all.map(\.name))
            }
            self.policy = known
            let placement = invocation.value("placement") ?? Gang.Spread.pack.rawValue
            guard let spread = Gang.Spread(rawValue: placement) else {
                throw Setting.unknown("placement", placement, Gang.Spread.allCases.map(\.rawValue))
            }
            self.spread = spread
        }

        private static func number(_ text: String, _ name: String, _ range: ClosedRange<Int>) throws(Fault) -> Int {
            guard let value = Int(text), range.contains(value) else {
                throw wrong(
                    "--\(name) \(text) cannot be replayed", "it is a number from \(range.lowerBound) to \(range.upperBound)",
                    "write --\(name) 8, say")
            }
            return value
        }

        private static func unknown(_ name: String, _ text: String, _ known: [String]) -> Fault {
            let closest = Suggestion.closest(to: text, among: known).map { "did you mean \($0)? They are " } ?? "choose one of "
            return wrong("There is no \(name) '\(text)'", "--\(name) names it", closest + known.joined(separator: ", "))
        }

        private static func wrong(_ what: String, _ why: String, _ fix: String) -> Fault {
            Fault(
                .usage, what: what + ".", why: why.prefix(1).uppercased() + why.dropFirst() + ".",
                fix: fix.prefix(1).uppercased() + fix.dropFirst() + ".")
        }
    }

    private static func csv(_ replay: TraceReplay) -> String {
        var text = "job_id,submit_s,start_s,end_s\n"
        for run in replay.runs { text += "\(run.id),\(run.submitted),\(run.start),\(run.end)\n" }
        return text
    }

    private static func facts(_ summary: ReplaySummary, _ replay: TraceReplay, _ setting: Setting, _ took: Duration) -> JSONValue {
        [
            "policy": .string(setting.policy.name), "placement": .string(setting.spread.rawValue),
            "nodes": .integer(Int64(setting.nodes)),
            "gpus_per_node": .integer(Int64(setting.gpusPerNode)), "vc": setting.vc.map { .string($0) } ?? .null,
            "jobs": .integer(Int64(summary.jobs)), "refused": .array(replay.refused.map { .string($0.id) }),
            "mean_completion_s": .number(summary.meanCompletion), "mean_wait_s": .number(summary.meanWait),
            "median_completion_s": .integer(summary.medianCompletion), "p95_completion_s": .integer(summary.p95Completion),
            "makespan_s": .integer(summary.makespan), "preemptions": .integer(Int64(summary.preemptions)),
            "utilisation": .number(summary.utilisation), "decisions": .integer(Int64(replay.decisions)),
            "took_s": .number(seconds(took)),
        ]
    }

    private static func screen(
        _ summary: ReplaySummary, _ replay: TraceReplay, _ setting: Setting, _ took: Duration, _ style: Style
    ) -> String {
        var table = Table([], indent: 2)
        table.add([
            "completion", "mean \(Figures.duration(.seconds(summary.meanCompletion)))",
            "median \(Figures.duration(.seconds(summary.medianCompletion)))",
            "p95 \(Figures.duration(.seconds(summary.p95Completion)))",
        ])
        table.add(["waited", "mean \(Figures.duration(.seconds(summary.meanWait)))"])
        table.add(["last job ended", Figures.duration(.seconds(summary.makespan))])
        table.add(["GPU time in use", Figures.share(summary.utilisation)])
        table.add(["preemptions", Figures.count(Int64(summary.preemptions))])
        let jobs = Figures.count(Int64(summary.jobs))
        var lines = [
            "\(style.strong(setting.policy.name)), \(setting.spread.rawValue): \(jobs) jobs on \(setting.nodes) nodes of \(setting.gpusPerNode) GPUs, replayed in \(Figures.duration(took))",
            table.text(style),
        ]
        if !replay.refused.isEmpty {
            let named = replay.refused.prefix(5).map { "\($0.id) (\($0.gpus) GPUs)" }.joined(separator: ", ")
            lines.append(
                style.bad("  \(replay.refused.count) jobs can never run here: \(named)\(replay.refused.count > 5 ? ", ..." : "")"))
        }
        return lines.joined(separator: "\n")
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
}
