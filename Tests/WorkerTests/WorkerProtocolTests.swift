import Glibc
import JSON
import RPC
import Testing

@testable import Worker

@Suite struct WorkerProtocolTests {
    /// The repository this test was built in.
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

    private static func read(_ path: String) -> String {
        String(decoding: PlainFile.read("\(root)/\(path)", limit: 1 << 20), as: UTF8.self)
    }

    /// Messages of the .proto file by name, without comments and blanks.
    private static func messages(in text: String) -> [String: String] {
        var (messages, name): ([String: String], String?) = ([:], nil)
        for line in text.split(separator: "\n") {
            let code = line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line
            let words = code.split(separator: " ").joined(separator: " ")
            if words.hasPrefix("message ") { name = words.split(separator: " ")[1].description }
            guard let open = name, !words.isEmpty else { continue }
            messages[open, default: ""] += words + "\n"
            if words == "}" { name = nil }
        }
        return messages
    }

    @Test func `every message is what docs, protocols, worker.proto declares`() throws {
        let declared = Self.messages(in: Self.read("docs/protocols/worker.proto"))
        let ours: [String] = [
            Report.declaration, Register.declaration, Heartbeat.declaration, Started.declaration, Hello.declaration,
            Mesh.declaration, Joined.declaration, Progress.declaration, LoggedValue.declaration, LogLine.declaration,
            Checkpoint.declaration, Remark.declaration, Failure.declaration, Stack.declaration, Samples.declaration,
            Output.declaration, Ended.declaration, Order.declaration, Welcome.declaration, Member.declaration,
            Resumed.declaration, LostSlot.declaration, Membership.declaration, Dead.declaration, Stop.declaration,
            Nudge.declaration, Rescaled.declaration, WireChosen.declaration,
        ]
        var seen: Set<String> = []
        for text in ours {
            for (name, body) in Self.messages(in: text) {
                seen.insert(name)
                #expect(body == declared[name], "message \(name)")
            }
        }
        #expect(seen == Set(declared.keys))
    }

    @Test func `what the script says reaches the daemon as it was said`() throws {
        let line = #"{"type":"progress","step":7,"samples":448,"step_s":0.05,"compute_s":0.04,"wire_bytes":9,"epoch":2,"new":1}"#
        let report = try #require(Report(script: try JSONValue(parsing: line)))
        let progress = try #require(Report(bytes: report.bytes)?.progress)
        #expect(progress.step == 7 && progress.samples == 448 && progress.stepSeconds == 0.05 && progress.epoch == 2)
        #expect(Report(script: ["type": "something of a later version"]) == nil)
        let log = try #require(
            Report(script: try JSONValue(parsing: #"{"type":"log","step":1,"values":{"loss":0.5,"a":"b"}}"#))?.log)
        #expect(log.values.map(\.name) == ["loss"], "what is no number is left out")
    }

    @Test func `survivors tell how long they stood still, and for whom`() throws {
        let line = #"{"type":"resumed","epoch":3,"step":120,"seconds":0.031,"slots":[1,2]}"#
        let report = try #require(Report(script: try JSONValue(parsing: line)))
        let resumed = try #require(Report(bytes: report.bytes)?.resumed)
        #expect(resumed.epoch == 3 && resumed.step == 120 && resumed.seconds == 0.031 && resumed.slots.map(\.slot) == [1, 2])
    }

    @Test func `what was logged under other names a moment before is told too`() async {
        let queue = ReportQueue()
        queue.reopen(after: 0)
        for (name, value, step) in [("loss", 0.5, 1), ("accuracy", 0.9, 2), ("loss", 0.4, 3)] as [(String, Double, Int64)] {
            var (report, log, logged) = (Report(), LogLine(), LoggedValue())
            (logged.name, logged.value, log.step) = (name, value, step)
            log.values = [logged]
            report.log = log
            queue.put(report)
        }
        let logs = await queue.next().compactMap(\.log)
        #expect(logs.count == 1 && logs.first?.step == 3)
        #expect(logs.first?.values.map { "\($0.name) \($0.value)" } == ["loss 0.4", "accuracy 0.9"])
    }

    @Test func `ranks tell which wire they chose, and why`() throws {
        let line = #"{"type":"wire","step":12,"format":"int8","before":"bfloat16","compute_s":0.03,"wait_s":0.02,"why":"slow"}"#
        let report = try #require(Report(script: try JSONValue(parsing: line)))
        let wire = try #require(Report(bytes: report.bytes)?.wire)
        #expect(wire.step == 12 && wire.format == "int8" && wire.before == "bfloat16" && wire.why == "slow")
        #expect(wire.computeSeconds == 0.03 && wire.waitSeconds == 0.02)
    }

    @Test func `a Python exception is found under its traceback, the last of a chain`() {
        let lines = [
            "epoch 1", "Traceback (most recent call last):", "  File \"a.py\", line 1, in <module>", "KeyError: 'x'", "",
            "During handling of the above exception, another exception occurred:", "",
            "Traceback (most recent call last):", "  File \"a.py\", line 3, in <module>", "    raise ValueError(\"no column\")",
            "ValueError: no column", "bye",
        ]
        #expect(PythonException.last(in: lines) == "ValueError: no column")
        #expect(PythonException.last(in: ["Error: this is no traceback"]) == nil)
        #expect(
            PythonException.last(in: ["Traceback (most recent call last):", "  File \"a.py\"", "torch.cuda.OutOfMemoryError"])
                == "torch.cuda.OutOfMemoryError")
    }

    @Test func `what must arrive is sent again until it is acknowledged, and the newest progress is enough`() async {
        let queue = ReportQueue()
        func checkpoint(_ step: Int64) -> Report {
            var (report, checkpoint) = (Report(), Checkpoint())
            checkpoint.step = step
            report.checkpoint = checkpoint
            return report
        }
        queue.putLasting(checkpoint(1))
        queue.putLasting(checkpoint(2))
        for step in 1...100 as ClosedRange<Int64> {
            var (report, progress) = (Report(), Progress())
            progress.step = step
            report.progress = progress
            queue.put(report)
        }
        queue.reopen(after: 0)
        let first = await queue.next()
        #expect(first.compactMap(\.checkpoint?.step) == [1, 2])
        #expect(first.compactMap(\.progress?.step) == [100])
        queue.acknowledge(1)
        queue.close()
        queue.putLasting(checkpoint(3))
        queue.reopen(after: 1)
        #expect(await queue.next().compactMap(\.checkpoint?.step) == [2, 3])
        queue.acknowledge(3)
        #expect(queue.isDelivered)
    }
}
