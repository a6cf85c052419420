import Faults
import Glibc
import JSON
import Processes
import TestFolders
import Testing

/// The queue with the real binary: labels, weights, declared accelerators, and jobs that grow and shrink.
@Suite struct TrainQueueTests {
    private let workshop = Workshop()
    private static let survivor = "\(Workshop.root)/Tests/Fixtures/Training/survivor.py"

    private func apply(_ text: String, as name: String) async throws -> (code: Int32, output: String) {
        workshop.write(text, as: name)
        return try await workshop.openclaw("apply", "-f", "\(workshop.folder)/\(name)")
    }

    private func status(_ name: String) async throws -> JSONValue {
        try JSONValue(parsing: try await workshop.openclaw("train", "status", name, "--json").output)
    }

    private func until(_ name: String, _ what: String, _ condition: (JSONValue) -> Bool) async throws -> JSONValue {
        try await workshop.until("\(name) \(what)") {
            let status = try await self.status(name)
            return condition(status) ? Optional.some(status) : Optional.none
        }
    }

    private func node() async throws -> JSONValue {
        let nodes = try JSONValue(parsing: try await workshop.openclaw("node", "list", "--json").output)
        return try #require(nodes["nodes"]?[0])
    }

    @Test func `a job waits for a node with its label, is told so, and runs where a declared accelerator is free`() async throws {
        let installation = try await Installation.start(in: workshop)
        let name = try #require(try await node()["name"]?.stringValue)
        let job = """
            training_job:
              name: labelled
              run: 'echo devices $OPENCLAW_DEVICES'
              nodes: { require: { tier: fpga } }
              resources: { accelerators: { fpga.example.com/u250: 2 } }
            """
        #expect(try await apply(job, as: "job.yaml").code == 0)
        let waits = try await until("labelled", "waits") { $0["waits"]?.stringValue?.contains("on nodes with tier=fpga") == true }
        #expect(waits["state"] == "queued")
        let (code, output) = try await apply(
            "node: { name: \(name), accelerators: { fpga.example.com/u250: 2 } }", as: "node.yaml")
        #expect(code == 0, "\(output)")
        #expect(try await status("labelled")["state"] == "queued", "the label is still missing")
        let (labelled, table) = try await workshop.openclaw("node", "label", name, "tier=fpga")
        #expect(labelled == 0 && table.contains("tier=fpga") && table.contains("u250"), "\(table)")
        let done = try await until("labelled", "has ended") { $0["state"] == "finished" }
        #expect(done["run"] == 1)
        let (_, logs) = try await workshop.openclaw("train", "logs", "labelled")
        #expect(logs.contains("devices 0,1"), "\(logs)")
        // What was said about nodes outlives the daemon; a label that was given is taken away.
        await installation.process.stop()
        let again = try await Installation.start(in: workshop)
        #expect(try await node()["labels"]?["tier"] == "fpga")
        #expect(try await node()["accelerators"]?.arrayValue?.contains { $0["model"] == "u250" && $0["count"] == 2 } == true)
        #expect(try await workshop.openclaw("node", "label", name, "tier-").0 == 0)
        #expect(try await node()["labels"]?["tier"] == nil)
        let (missing, fault) = try await workshop.openclaw("node", "label", name, "tier-")
        #expect(missing != 0 && fault.contains("has no label 'tier'"), "\(fault)")
        let (unknown, told) = try await apply("node: { name: nowhere, labels: { a: b } }", as: "nowhere.yaml")
        #expect(unknown != 0 && told.contains("There is no node nowhere"), "\(told)")
        await again.process.stop()
    }

    @Test func `a weighed queue starts the job with the most points, and explains each of its terms`() async throws {
        let installation = try await Installation.start(in: workshop)
        let cores = try await node()["cpus"]?.numberValue ?? 1
        let (wrong, fault) = try await apply("queue_policy:\n  weights: { priorty: 1 }\n", as: "wrong.yaml")
        #expect(wrong == 78 && fault.contains("`priorty` is not known here") && fault.contains("line 2"), "\(fault)")
        #expect(try await apply("queue_policy: { weights: { priority: 10, size: -1000 } }", as: "queue.yaml").code == 0)
        func submit(_ name: String, _ cpus: Double, _ run: String, _ more: String = "") async throws {
            let text = "training_job: { name: \(name), run: '\(run)', resources: { cpus: \(cpus) }\(more) }"
            let (code, output) = try await apply(text, as: "\(name).yaml")
            #expect(code == 0, "\(output)")
        }
        try await submit("blocker", cores, "while [ ! -e go ]; do sleep 0.05; done", ", preemptible: false")
        _ = try await until("blocker", "runs") { $0["state"] == "running" }
        try await submit("large", cores, "true", ", priority: urgent")
        try await submit("small", cores / 2, "true", ", priority: normal")
        let explained = try JSONValue(parsing: try await workshop.openclaw("train", "explain", "small", "--json").output)
        let terms = explained["standing"]?["terms"]?.arrayValue ?? []
        #expect(terms.map { $0["term"]?.stringValue ?? "" } == ["priority", "size"], "\(explained.canonicalText)")
        #expect(abs((explained["standing"]?["points"]?.numberValue ?? 0) - (5 - 500)) < 1)
        let (_, screen) = try await workshop.openclaw("train", "explain", "small")
        #expect(screen.contains("points") && screen.contains("priority 500 of 1000"), "\(screen)")
        workshop.write("", as: "go")
        for name in ["blocker", "large", "small"] { _ = try await until(name, "has ended") { $0["state"] == "finished" } }
        await installation.process.stop()
    }

    @Test(arguments: [false, true])
    func `an elastic job grows into room that stays free, and shrinks for a more urgent one before it would be stopped`(
        scales: Bool
    ) async throws {
        let installation = try await Installation.start(in: workshop)
        let cores = try await node()["cpus"]?.numberValue ?? 1
        #expect(try await apply("queue_policy: { elastic: { grow_after: 1s } }", as: "queue.yaml").code == 0)
        let half = "resources: { cpus: \(Double(Int(cores * 500)) / 1_000) }"
        let blocker = "training_job: { name: blocker, run: 'while [ ! -e go ]; do sleep 0.05; done', \(half) }"
        #expect(try await apply(blocker, as: "blocker.yaml").code == 0)
        _ = try await until("blocker", "runs") { $0["state"] == "running" }
        let run = "SCALES=\(scales ? 1 : 0) STEPS=180000 exec python3 \(Self.survivor)"
        let elastic = "training_job: { name: elastic, run: '\(run)', ranks: { min: 1, max: 2 }, \(half) }"
        #expect(try await apply(elastic, as: "elastic.yaml").code == 0)
        _ = try await until("elastic", "has a checkpoint with one rank") {
            $0["world"] == 1 && $0["checkpoint"]?["step"]?.integerValue ?? 0 >= 10
        }
        workshop.write("", as: "go")
        let grown = try await until("elastic", "has grown") { $0["state"] == "running" && $0["world"] == 2 }
        #expect(grown["run"] == (scales ? 1 : 2) && grown["failures"] == 0 && grown["preemptions"] == 0, "\(grown.canonicalText)")
        // It is told when the ranks have met.
        let means = scales ? "scales   while it trains" : "scales   at a checkpoint, not while it trains: it was told not to"
        let explained = try await workshop.until("elastic explains how it scales") {
            let text = try await workshop.openclaw("train", "explain", "elastic").output
            return text.contains(means) && !text.contains("under way") ? Optional.some(text) : Optional.none
        }
        #expect(explained.contains("1 ranks to 2"), "\(explained)")
        #expect(explained.contains(scales ? "1 to 2 while it trained" : "1 to 2 at a checkpoint"), "\(explained)")
        let urgent = "training_job: { name: urgent, run: 'while [ ! -e on ]; do sleep 0.05; done', priority: urgent, \(half) }"
        #expect(try await apply(urgent, as: "urgent.yaml").code == 0)
        _ = try await until("urgent", "runs") { $0["state"] == "running" }
        let shrunk = try await until("elastic", "runs on with one rank") { $0["state"] == "running" && $0["world"] == 1 }
        #expect(
            shrunk["run"] == (scales ? 1 : 3) && shrunk["preemptions"] == 0 && shrunk["failures"] == 0, "\(shrunk.canonicalText)")
        let (_, why) = try await workshop.openclaw("train", "explain", "elastic")
        #expect(why.contains("urgent needs room and comes first: 2 ranks to 1"), "\(why)")
        workshop.write("", as: "on")
        _ = try await workshop.openclaw("train", "cancel", "elastic")
        _ = try await until("elastic", "has ended") { $0["state"] == "cancelled" }
        await installation.process.stop()
    }
}
