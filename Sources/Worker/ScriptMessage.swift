import JSON

/// One line from the script, read as a report. Nil for a type that this version does not know.
extension Report {
    /// Texts of a script are cut, so that it cannot fill the daemon.
    private static let textMax = 32 << 10

    init?(script message: JSONValue) {
        self.init()
        let read = ScriptFields(message: message)
        switch message["type"]?.stringValue {
        case "hello": hello = read.hello
        case "mesh":
            var mesh = Mesh()
            (mesh.epoch, mesh.address, mesh.host) = (read.integer("epoch"), read.text("address"), read.text("host"))
            mesh.peer = read.text("peer")
            self.mesh = mesh
        case "joined":
            var joined = Joined()
            (joined.epoch, joined.step) = (read.integer("epoch"), read.integer("step"))
            self.joined = joined
        case "progress": progress = read.progress
        case "log": log = read.log
        case "checkpoint": checkpoint = read.checkpoint
        case "checkpoint_failed", "warning":
            var remark = Remark()
            (remark.what, remark.why, remark.fix) = (read.text("what"), read.text("why"), read.text("fix"))
            remark.isCheckpoint = message["type"] == "checkpoint_failed"
            self.remark = remark
        case "failed":
            var failure = Failure()
            (failure.exception, failure.traceback) = (read.text("exception"), read.text("traceback"))
            self.failure = failure
        case "stack":
            var stack = Stack()
            stack.threads = read.texts("threads")
            self.stack = stack
        case "samples":
            var samples = Samples()
            (samples.repeated, samples.lost) = (read.integer("repeated"), read.integer("lost"))
            self.samples = samples
        case "resumed": resumed = read.resumed
        case "rescaled": rescaled = read.rescaled
        case "wire": wire = read.wire
        case "output":
            var output = Output()
            output.path = read.text("path")
            self.output = output
        default: return nil
        }
    }

    private struct ScriptFields {
        let message: JSONValue

        func integer(_ name: String) -> Int64 { message[name]?.integerValue ?? 0 }
        func number(_ name: String) -> Double {
            let value = message[name]?.numberValue ?? 0
            return value.isFinite ? value : 0
        }
        func text(_ name: String) -> String { cut(message[name]?.stringValue ?? "") }
        func texts(_ name: String) -> [String] { (message[name]?.arrayValue ?? []).prefix(64).compactMap(\.stringValue).map(cut) }
        private func cut(_ text: String) -> String {
            text.utf8.count <= Report.textMax ? text : String(text.prefix(Report.textMax / 4))
        }

        var hello: Hello {
            var hello = Hello()
            (hello.process, hello.framework) = (Int32(clamping: integer("pid")), text("framework"))
            (hello.version, hello.survives, hello.whyNot) = (
                text("version"), message["survives"]?.boolValue ?? false, texts("why_not")
            )
            (hello.scales, hello.whyFixed) = (message["scales"]?.boolValue ?? false, texts("why_fixed"))
            return hello
        }

        var progress: Progress {
            var progress = Progress()
            (progress.step, progress.samples, progress.stepSeconds) = (integer("step"), integer("samples"), number("step_s"))
            (progress.computeSeconds, progress.communicationSeconds) = (number("compute_s"), number("communication_s"))
            (progress.waitSeconds, progress.wireBytes, progress.logicalBytes) = (
                number("wait_s"), integer("wire_bytes"), integer("logical_bytes")
            )
            (progress.epoch, progress.stepsTotal, progress.dataEpoch) = (
                integer("epoch"), integer("steps_total"), integer("data_epoch")
            )
            (progress.epochsTotal, progress.memoryBytes) = (integer("epochs_total"), integer("memory_bytes"))
            return progress
        }

        var log: LogLine {
            var log = LogLine()
            log.step = integer("step")
            log.values = (message["values"]?.objectValue ?? [:]).sorted { $0.key < $1.key }.prefix(64).compactMap { name, value in
                guard let number = value.numberValue, number.isFinite else { return nil }
                var logged = LoggedValue()
                (logged.name, logged.value) = (String(name.prefix(128)), number)
                return logged
            }
            return log
        }

        var resumed: Resumed {
            var resumed = Resumed()
            (resumed.epoch, resumed.step, resumed.seconds) = (integer("epoch"), integer("step"), number("seconds"))
            resumed.slots = (message["slots"]?.arrayValue ?? []).prefix(1_024).compactMap(\.integerValue).map { slot in
                var lost = LostSlot()
                lost.slot = Int32(clamping: slot)
                return lost
            }
            return resumed
        }

        var rescaled: Rescaled {
            var rescaled = Rescaled()
            (rescaled.epoch, rescaled.step, rescaled.seconds) = (integer("epoch"), integer("step"), number("seconds"))
            (rescaled.world, rescaled.before) = (Int32(clamping: integer("world")), Int32(clamping: integer("before")))
            return rescaled
        }

        var wire: WireChosen {
            var wire = WireChosen()
            (wire.step, wire.format, wire.before) = (integer("step"), text("format"), text("before"))
            (wire.computeSeconds, wire.waitSeconds, wire.why) = (number("compute_s"), number("wait_s"), text("why"))
            return wire
        }

        var checkpoint: Checkpoint {
            var checkpoint = Checkpoint()
            (checkpoint.path, checkpoint.step, checkpoint.size) = (text("path"), integer("step"), integer("bytes"))
            (checkpoint.copySeconds, checkpoint.writeSeconds) = (number("copy_s"), number("write_s"))
            return checkpoint
        }
    }
}

extension Order {
    /// What the script hears of it; nil where that is nothing.
    var scriptMessage: JSONValue? {
        if let membership {
            let members = membership.members.map { member -> JSONValue in
                [
                    "slot": .integer(Int64(member.slot)), "address": .string(member.address), "host": .string(member.host),
                    "state": .string(member.state), "peer": .string(member.peer),
                ]
            }
            return [
                "type": "membership", "epoch": .integer(membership.epoch), "world": .integer(Int64(membership.world)),
                "members": .array(members),
            ]
        }
        if let dead { return ["type": "dead", "slot": .integer(Int64(dead.slot))] }
        if let stop { return ["type": "stop", "within_s": .number(stop.withinSeconds), "checkpoint": .bool(stop.checkpoint)] }
        if checkpointNow != nil { return ["type": "checkpoint_now"] }
        if stackWanted != nil { return ["type": "stack_wanted"] }
        return nil
    }
}
