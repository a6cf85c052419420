import Conducting
import Faults
import HTTP
import JSON
import Registry
import Routing
import Telemetry

/// `smoke_test`: the model's own requests to a candidate that no user sees yet, and its regression suite against the stable
/// version's answers.
struct SmokeStage {
    static let fileBytesMax = 16 << 20
    static let linesMax = 10_000
    /// Requests under way at once.
    static let parallel = 4
    /// Names of regressions that are kept.
    static let namesMax = 50

    let plan: ReleasePlan
    /// Where the candidate answers.
    let candidate: String
    /// Where the stable version answers; nil when there is none to compare with.
    let stable: String?
    let outbound: Outbound

    func run() async throws(Fault) -> SmokeReport {
        guard let smoke = plan.model.smoke else {
            return SmokeReport(requests: 0, cases: 0, regressions: [], improvements: 0, slowestMilliseconds: 0, trouble: nil)
        }
        let requests =
            try smoke.requests.map { (file) throws(Fault) in
                try lines(of: file).map { (line) throws(Fault) in try SmokeRequest(line) }
            } ?? []
        let cases = try smoke.regression.map { (file) throws(Fault) in try lines(of: file).map(RegressionCase.init) } ?? []
        // The first answer of a fresh server may have to load things: it is not timed.
        if let first = requests.first?.body ?? cases.first?.body { _ = try? await ask(candidate, first) }

        let looks = try await inParallel(requests) { (request) throws(Fault) in
            try await look(request, limit: smoke.maxLatencyMilliseconds)
        }
        let results = try await inParallel(cases) { (item) throws(Fault) in try await compare(item) }
        let regressions = results.filter { $0.change == .worse }.map(\.name)
        return SmokeReport(
            requests: requests.count, cases: cases.count, regressions: Array(regressions.prefix(Self.namesMax)),
            improvements: results.filter { $0.change == .better }.count, slowestMilliseconds: looks.map(\.milliseconds).max() ?? 0,
            trouble: looks.compactMap(\.trouble).first.map { trouble(of: $0, among: looks) }
                ?? trouble(of: regressions, cases: cases.count, limit: smoke.maxRegressions))
    }

    // MARK: Requests

    private struct Seen: Sendable {
        var milliseconds: Double
        var trouble: String?
    }

    private func look(_ request: SmokeRequest, limit: Double?) async throws(Fault) -> Seen {
        let answer: Outbound.Answer
        do throws(Fault) { answer = try await ask(candidate, request.body) } catch {
            return Seen(milliseconds: 0, trouble: "\(request.name): no answer (\(error.why))")
        }
        let milliseconds = Double(answer.elapsed.components.attoseconds) / 1e15 + Double(answer.elapsed.components.seconds) * 1_000
        let trouble: String? =
            if let wrong = request.mismatch(answer) {
                "\(request.name): \(wrong)"
            } else if let limit, milliseconds > limit {
                "\(request.name): took \(Int(milliseconds.rounded())) ms, at most \(Int(limit)) is allowed"
            } else {
                nil
            }
        return Seen(milliseconds: milliseconds, trouble: trouble)
    }

    private func trouble(of first: String, among looks: [Seen]) -> Trouble {
        let count = looks.filter { $0.trouble != nil }.count
        return Trouble(
            what: "\(count) of \(looks.count) smoke requests failed", why: first,
            fix: "try it: send the line of \(plan.model.smoke?.requests ?? "the file") to the candidate, then release it again")
    }

    // MARK: Regressions

    private enum Change: Sendable { case same, better, worse }
    private struct Compared: Sendable {
        var name: String
        var change: Change
    }

    /// Worse: the stable version is right and the candidate is wrong. Without a stable version every wrong answer counts.
    private func compare(_ item: RegressionCase) async throws(Fault) -> Compared {
        let now = (try? await ask(candidate, item.body)).map(item.isRight) ?? false
        var before = true
        if let stable { before = item.isRight(try await ask(stable, item.body)) }
        let change: Change =
            switch (before, now) {
            case (true, false): .worse
            case (false, true): .better
            case (true, true), (false, false): .same
            }
        return Compared(name: item.name, change: change)
    }

    private func trouble(of regressions: [String], cases: Int, limit: Double) -> Trouble? {
        guard cases > 0, Double(regressions.count) > limit * Double(cases) else { return nil }
        let named =
            regressions.prefix(5).joined(separator: ", ") + (regressions.count > 5 ? " and \(regressions.count - 5) more" : "")
        return Trouble(
            what: "\(regressions.count) of \(cases) cases got worse, at most \(Share.text(Int((limit * 10_000).rounded()))) may",
            why: "used to be right and are wrong now: \(named)",
            fix: "mend the version, or allow more with max_regressions of the model's smoke")
    }

    // MARK: Asking

    private func ask(_ url: String, _ body: JSONValue) async throws(Fault) -> Outbound.Answer {
        try await outbound.send(
            .init(
                "POST", url, headers: [("Content-Type", "application/json")], body: Array(body.canonicalText.utf8),
                caFile: plan.model.caFile))
    }

    private func lines(of file: String) throws(Fault) -> [JSONLine] {
        let path = file.hasPrefix("/") ? file : plan.model.directory + "/" + file
        let bytes = try WorkFolder.read(path, bytesMax: Self.fileBytesMax)
        var lines: [JSONLine] = []
        for (index, text) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard text.contains(where: { $0 > 0x20 }) else { continue }
            guard lines.count < Self.linesMax else {
                throw Fault(
                    .limitReached, what: "\(path) is too long.", why: "It has more than \(Self.linesMax) lines.",
                    fix: "Keep the telling ones.")
            }
            do throws(Fault) {
                lines.append(JSONLine(value: try JSONValue(parsing: Array(text)), number: index + 1))
            } catch {
                throw Fault(
                    .badConfiguration, what: "\(path) line \(index + 1) is not JSON.", why: error.why,
                    fix: "Each line is one JSON value.")
            }
        }
        return lines
    }

    private func inParallel<In: Sendable, Out: Sendable>(
        _ items: [In], _ work: @escaping @Sendable (In) async throws(Fault) -> Out
    ) async throws(Fault) -> [Out] {
        var results = [Result<Out, Fault>?](repeating: nil, count: items.count)
        await withTaskGroup(of: (Int, Result<Out, Fault>).self) { group in
            var next = 0
            func add() {
                guard next < items.count, !Task.isCancelled else { return }
                let (index, item) = (next, items[next])
                next += 1
                group.addTask {
                    do throws(Fault) { return (index, .success(try await work(item))) } catch { return (index, .failure(error)) }
                }
            }
            for _ in 0..<Self.parallel { add() }
            for await (index, result) in group {
                results[index] = result
                add()
            }
        }
        var values: [Out] = []
        for result in results {
            guard let result else { throw Fault(what: "The smoke test was stopped.", why: "The release ended.", fix: "Nothing.") }
            values.append(try result.get())
        }
        return values
    }
}

/// One line of a JSON-lines file.
struct JSONLine: Sendable {
    var value: JSONValue
    var number: Int
}

/// A bare body, or `{"body": ..., "expect": {"status": 200, "json": {"/pointer": value}}, "name": "..."}`. The pointers may
/// also stand in `expect` itself.
struct SmokeRequest: Sendable {
    var name: String
    var body: JSONValue
    private var status: Int64?
    private var json: [String: JSONValue] = [:]

    init(_ line: JSONLine) throws(Fault) {
        name = "line \(line.number)"
        guard let members = line.value.objectValue, let inner = members["body"],
            members.keys.allSatisfy({ ["body", "expect", "name"].contains($0) })
        else {
            body = line.value
            return
        }
        body = inner
        if let given = members["name"]?.stringValue { name = given }
        guard let expect = members["expect"] else { return }
        guard let wanted = expect.objectValue else { throw Self.unread("`expect` is not an object", line) }
        // Read strictly: an expectation with a typing error would be none.
        for (key, value) in wanted.sorted(by: { $0.key < $1.key }) {
            switch (key, value) {
            case ("status", .integer(let code)) where (100...599).contains(code): status = code
            case ("json", .object(let values)) where values.keys.allSatisfy { $0.isEmpty || $0.hasPrefix("/") }:
                json.merge(values) { $1 }
            case (_, _) where key.hasPrefix("/"): json[key] = value
            case (_, _): throw Self.unread("`\(key)` of `expect` is \(value.canonicalText.prefix(80))", line)
            }
        }
    }

    private static func unread(_ why: String, _ line: JSONLine) -> Fault {
        Fault(
            .badConfiguration, what: "Line \(line.number) of the smoke requests expects something unknown.", why: why,
            fix: "Write {\"body\": ..., \"expect\": {\"status\": 200, \"json\": {\"/pointer\": value}}}.")
    }

    /// What an answer lacks; nil when it is as expected.
    func mismatch(_ answer: Outbound.Answer) -> String? {
        if let status {
            guard answer.status == Int(status) else { return "status \(answer.status), expected \(status)" }
        } else if !(200..<300).contains(answer.status) {
            return "status \(answer.status)"
        }
        guard !json.isEmpty else { return nil }
        guard let value = try? JSONValue(parsing: answer.body) else { return "the answer is not JSON" }
        for (pointer, expected) in json.sorted(by: { $0.key < $1.key }) {
            guard let found = value.at(pointer: pointer) else { return "nothing at \(pointer)" }
            if !found.contains(expected) {
                return "\(found.canonicalText.prefix(80)) at \(pointer), expected \(expected.canonicalText.prefix(80))"
            }
        }
        return nil
    }
}

/// `{"body": ..., "expected": ..., "name": "...", "pointer": "/outputs/0/data/0"}`; `request` may stand for `body`, and
/// `"expect": {"/outputs/0/data/0": ...}` for what is expected where.
struct RegressionCase: Sendable {
    var name: String
    var body: JSONValue
    /// By JSON pointer; the empty one is the whole answer.
    private var expected: [String: JSONValue] = [:]

    init(_ line: JSONLine) throws(Fault) {
        let members = line.value.objectValue ?? [:]
        if let whole = members["expected"] { expected[members["pointer"]?.stringValue ?? ""] = whole }
        for (pointer, value) in members["expect"]?.objectValue ?? [:] { expected[pointer] = value }
        guard let body = members["body"] ?? members["request"], !expected.isEmpty,
            expected.keys.allSatisfy({ $0.isEmpty || $0.hasPrefix("/") })
        else {
            throw Fault(
                .badConfiguration, what: "Line \(line.number) of the regression suite is not a case.",
                why: "A case has a body and an expected answer.",
                fix: "Write {\"body\": ..., \"expected\": ..., \"pointer\": \"/...\"}.")
        }
        self.body = body
        name = members["name"]?.stringValue ?? "line \(line.number)"
    }

    /// An answer is right when what stands at the pointer (or the answer itself) contains what is expected.
    func isRight(_ answer: Outbound.Answer) -> Bool {
        guard (200..<300).contains(answer.status), let value = try? JSONValue(parsing: answer.body) else { return false }
        return expected.allSatisfy { value.at(pointer: $0.key)?.contains($0.value) ?? false }
    }
}

extension JSONValue {
    /// The value at a JSON pointer (RFC 6901).
    func at(pointer: String) -> JSONValue? {
        guard !pointer.isEmpty else { return self }
        guard pointer.hasPrefix("/") else { return nil }
        var value = self
        for part in pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            let key = part.split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
                .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
            guard let inner = Int(key).flatMap({ value[$0] }) ?? value[key] else { return nil }
            value = inner
        }
        return value
    }

    /// Equal, where an object may have more members than expected and numbers may differ in their last digits.
    func contains(_ expected: JSONValue) -> Bool {
        switch (self, expected) {
        case (.object(let members), .object(let wanted)): wanted.allSatisfy { members[$0.key]?.contains($0.value) ?? false }
        case (.array(let items), .array(let wanted)):
            items.count == wanted.count && zip(items, wanted).allSatisfy { $0.contains($1) }
        case (_, _): numbersAgree(expected) ?? (self == expected)
        }
    }

    private func numbersAgree(_ other: JSONValue) -> Bool? {
        guard let a = numberValue, let b = other.numberValue else { return nil }
        return abs(a - b) <= 1e-9 * max(1, abs(a), abs(b))
    }
}
