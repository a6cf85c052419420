import JSON
import Telemetry

/// How a training job is shown: where it stands first, what happened to it beside, the next command last.
enum TrainScreen {
    static func text(_ status: JSONValue, _ style: Style, now: Timestamp) -> String {
        var lines = [head(status, style, now)]
        if let waits = status["waits"]?.stringValue {
            let until = status["until"]?.stringValue.map { " (until about \(Figures.moment($0)))" } ?? ""
            lines.append("  waits    \(waits)\(until)")
        }
        if let places = places(status) { lines.append("  nodes    \(places)") }
        if let because = status["because"]?.stringValue { lines.append("  because  \(because)") }
        if let cause = status["first_cause"] { lines += firstCause(cause, style) }
        lines += losses(status, style, now)
        lines += changes(status)
        if let version = status["version"]?.stringValue { lines.append("  made     \(style.good(version))") }
        if let checkpoint = status["checkpoint"] {
            lines.append(
                "  checkpoint at step \(Figures.count(checkpoint["step"]?.integerValue ?? 0)), \(checkpoint["count"]?.integerValue ?? 0) in all"
            )
        }
        for warning in (status["warnings"]?.arrayValue ?? []).prefix(5) {
            let why = warning["why"]?.stringValue ?? ""
            lines.append("  \(style.open("warning"))  \(warning["what"]?.stringValue ?? "")\(why.isEmpty ? "" : " (\(why))")")
        }
        if let trouble = status["trouble"]?["what"]?.stringValue { lines.append("  trouble  \(trouble)") }
        lines.append(
            "next: openclaw train \((status["next"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: " | "))")
        return lines.joined(separator: "\n")
    }

    /// One line, for logs: what moved since the last look can be seen in it.
    static func line(_ status: JSONValue) -> String {
        var parts = [name(status), state(status)]
        if let waits = status["waits"]?.stringValue { parts.append(waits) }
        let world = status["world"]?.integerValue ?? 0
        if world > 0 { parts.append("\(upRanks(status)) of \(world) ranks") }
        parts += figures(status, isLine: true)
        if let failures = status["failures"]?.integerValue, failures > 0 { parts.append("failures \(failures)") }
        return parts.joined(separator: "  ")
    }

    /// What a reader of logs wants to know at once.
    static func milestone(_ status: JSONValue) -> String {
        [state(status), status["waits"]?.stringValue ?? "", "\(upRanks(status))", "\(status["failures"]?.integerValue ?? 0)"]
            .joined(separator: "  ")
    }

    static func isDecided(_ status: JSONValue) -> Bool { ["finished", "failed", "cancelled"].contains(state(status)) }

    static func name(_ status: JSONValue) -> String { status["name"]?.stringValue ?? "" }
    static func state(_ status: JSONValue) -> String { status["state"]?.stringValue ?? "" }

    // MARK: Parts

    /// `n1: 0, 1   n2: 2`: which ranks are where; nil where all are on one node.
    private static func places(_ status: JSONValue) -> String? {
        var byNode: [(node: String, ranks: [String])] = []
        for rank in status["ranks"]?.arrayValue ?? [] {
            let (node, number) = (rank["node"]?.stringValue ?? "", "\(rank["rank"]?.integerValue ?? 0)")
            if let index = byNode.firstIndex(where: { $0.node == node }) {
                byNode[index].ranks.append(number)
            } else {
                byNode.append((node, [number]))
            }
        }
        guard byNode.count > 1 else { return nil }
        return byNode.prefix(16).map { "\($0.node): \($0.ranks.joined(separator: ", "))" }.joined(separator: "   ")
            + (byNode.count > 16 ? "   and \(byNode.count - 16) more" : "")
    }

    private static func upRanks(_ status: JSONValue) -> Int {
        (status["ranks"]?.arrayValue ?? []).count { ["up", "joining", "done"].contains($0["state"]?.stringValue ?? "") }
    }

    /// `running on 3 of 3 ranks   epoch 7/20   ████░░ 38 %   loss 0.214   8 940 samples/s   about 1 m 50 s left`
    private static func head(_ status: JSONValue, _ style: Style, _ now: Timestamp) -> String {
        let world = status["world"]?.integerValue ?? 0
        var parts: [String] = []
        let name = style.strong(name(status))
        switch state(status) {
        case "running": parts.append("\(name) \(style.good("running")) on \(upRanks(status)) of \(world) ranks")
        case "finished": parts.append("\(name) \(style.good("finished"))")
        case "failed": parts.append("\(name) \(style.bad("failed"))")
        case let other: parts.append("\(name) \(style.open(other))")
        }
        parts += figures(status, isLine: false)
        let isRunning = state(status) == "running"
        if !isRunning || status["progress"]?["seconds_left"] == nil, let elapsed = elapsed(status, now) { parts.append(elapsed) }
        return folded(parts, style)
    }

    /// How far it is, what the script logged, how fast it is and how long it still takes: what of these is known.
    private static func figures(_ status: JSONValue, isLine: Bool) -> [String] {
        let progress = status["progress"] ?? .null
        var parts: [String] = []
        if let epochs = progress["epochs_total"]?.integerValue, let epoch = progress["epoch"]?.integerValue, epoch > 0 {
            parts.append("epoch \(epoch)/\(epochs)")
        }
        if let fraction = progress["fraction"]?.numberValue {
            parts.append((isLine ? "" : bar(fraction) + " ") + "\(Int((fraction * 100).rounded())) %")
        }
        if let step = progress["step"]?.integerValue, step > 0 { parts.append("step \(isLine ? "\(step)" : Figures.count(step))") }
        parts += values(status)
        guard !isDecided(status) else { return parts }
        if let rate = progress["samples_per_s"]?.numberValue {
            parts.append("\(isLine ? "\(Int64(rate.rounded()))" : Figures.count(Int64(rate.rounded()))) samples/s")
        }
        if state(status) == "running", let left = progress["seconds_left"]?.numberValue {
            parts.append("about \(Figures.duration(.milliseconds(Int64(left * 1_000)))) left")
        }
        return parts
    }

    /// Side by side, and on a terminal no wider than it is: a figure is not broken in two.
    private static func folded(_ parts: [String], _ style: Style) -> String {
        guard style != .plain else { return parts.joined(separator: "   ") }
        var lines: [String] = []
        for part in parts {
            if let last = lines.last, Table.width(last) + 3 + Table.width(part) <= Terminal.columns {
                lines[lines.count - 1] = "\(last)   \(part)"
            } else {
                lines.append((lines.isEmpty ? "" : "  ") + part)
            }
        }
        return lines.joined(separator: "\n")
    }

    static func bar(_ fraction: Double) -> String {
        let full = Int((max(0, min(1, fraction)) * 16).rounded(.down))
        return String(repeating: "█", count: full) + String(repeating: "░", count: 16 - full)
    }

    /// What the script logged: the loss first.
    private static func values(_ status: JSONValue) -> [String] {
        let values = status["progress"]?["values"]?.objectValue ?? [:]
        let names = values.keys.sorted { ($0 == "loss" ? 0 : 1, $0) < ($1 == "loss" ? 0 : 1, $1) }
        return names.prefix(3).compactMap { name in values[name]?.numberValue.map { "\(name) \(Figures.measured($0))" } }
    }

    private static func elapsed(_ status: JSONValue, _ now: Timestamp) -> String? {
        guard let start = (status["started_at"] ?? status["submitted_at"])?.stringValue.flatMap(Timestamp.init(rfc3339:)) else {
            return nil
        }
        let end = status["ended_at"]?.stringValue.flatMap(Timestamp.init(rfc3339:)) ?? now
        return Figures.duration(max(.zero, end - start))
    }

    private static func firstCause(_ cause: JSONValue, _ style: Style) -> [String] {
        var lines = ["  first    \(style.bad(cause["text"]?.stringValue ?? ""))"]
        for line in (cause["last_lines"]?.arrayValue ?? []).compactMap(\.stringValue).suffix(8) {
            lines.append("           \(style.faint(line))")
        }
        for thread in (cause["stack"]?.arrayValue ?? []).compactMap(\.stringValue).prefix(1) {
            for line in thread.split(separator: "\n").suffix(8) { lines.append("           \(style.faint(String(line)))") }
        }
        return lines
    }

    /// `the others went on after 31 ms; its replacement joined at step 1 204, after 1.8 s`
    private static func survived(_ loss: JSONValue, _ after: String?) -> String {
        let stood = loss["went_on_after_s"]?.numberValue.map { " after \(Figures.value($0 * 1_000, unit: "ms"))" } ?? ""
        let step = loss["replaced_at_step"]?.integerValue.map { " joined at step \(Figures.count($0))" }
        let replaced = after.map { "; its replacement\(step.map { "\($0), after" } ?? " was there after") \($0)" } ?? ""
        return "the others went on\(stood)\(replaced)"
    }

    /// `  ranks    3 to 2 while it trained, from step 36, stood still 50 ms: asked for: 3 ranks to 2`
    static func changes(_ status: JSONValue) -> [String] {
        (status["changes"]?.arrayValue ?? []).suffix(4).map { change in
            let (from, to) = (change["from"]?.integerValue ?? 0, change["to"]?.integerValue ?? 0)
            let step = change["step"]?.integerValue.map { ", from step \(Figures.count($0))" } ?? ""
            let cost = change["stood_still_s"]?.numberValue.map { ", stood still \(TrainReport.time($0))" } ?? ""
            let end =
                change["failure"]?.stringValue.map { ", which did not come about: \($0)" }
                ?? (change["took_s"] == nil ? ", under way" : "")
            let how = change["how"]?.stringValue ?? ""
            return "  ranks    \(from) to \(to) \(how)\(step)\(cost)\(end): \(change["why"]?.stringValue ?? "")"
        }
    }

    private static func losses(_ status: JSONValue, _ style: Style, _ now: Timestamp) -> [String] {
        (status["losses"]?.arrayValue ?? []).suffix(4).map { loss in
            let ago =
                loss["at"]?.stringValue.flatMap(Timestamp.init(rfc3339:)).map { Figures.duration(max(.zero, now - $0)) } ?? "?"
            let after = loss["mended_after_s"]?.numberValue.map { Figures.duration(.milliseconds(Int64($0 * 1_000))) }
            let then =
                loss["survived"]?.boolValue == true
                ? survived(loss, after)
                : after.map { "the whole job ran again after \($0)" }
                    ?? (isDecided(status) ? "the whole job ended with it" : "the whole job starts again")
            return
                (["  rank \(loss["rank"]?.integerValue ?? 0) died \(ago) ago (\(loss["text"]?.stringValue ?? "")); \(then)"]
                + stack(of: loss, style)).joined(separator: "\n")
        }
    }

    /// Where a rank hung: the innermost calls of its main thread.
    private static func stack(of loss: JSONValue, _ style: Style) -> [String] {
        guard loss["how"]?.stringValue == "hung", let main = loss["stack"]?[0]?.stringValue else { return [] }
        return main.split(separator: "\n").suffix(4).map { "           \(style.faint(String($0)))" }
    }
}
