import Conducting
public import Faults
public import JSON
import Ledger
import Telemetry

extension TrainingService {
    // MARK: Status

    /// See `JobStatus`.
    public func status(_ name: String) async throws(Fault) -> JSONValue {
        guard let machine = await (try known(name)).machine else { throw unknownJob(name) }
        return await status(of: machine)
    }

    private func status(of machine: JobMachine) async -> JSONValue {
        guard let chronicle = await conductors[machine.name]?.chronicle else { return .null }
        let status = JobStatus(
            machine: machine, board: board(of: machine), head: chronicle.head, wait: queue.waits[machine.name],
            place: queue.order.firstIndex(of: machine.name), hindrance: hindrance(of: machine))
        return chronicle.telling(status.json)
    }

    private func unknownJob(_ name: String) -> Fault {
        Fault(.notFound, what: "There is no training job \(name).", why: "It was never recorded.", fix: "openclaw train list")
    }

    /// The status of every job, the latest submitted first.
    public func list() async -> [JSONValue] {
        var items: [JSONValue] = []
        for machine in await conductors.machines().sorted(by: { $0.plan.number > $1.plan.number }).prefix(1_000) {
            items.append(await status(of: machine))
        }
        return items
    }

    /// Where a job was placed and why, or why it waits and until when.
    public func explain(_ name: String) async throws(Fault) -> JSONValue {
        let conductor = try known(name)
        guard let machine = await conductor.machine else { throw unknownJob(name) }
        var explained = await status(of: machine).objectValue ?? [:]
        let snapshot = refreshedSnapshot(await conductors.machines())
        explained["policy"] = .string(policies.current.queue.name)
        if !machine.isOver { await explainStanding(machine, &explained) }
        let throughput = machine.spec.throughput ?? policies.throughputs(of: name)
        if !throughput.isEmpty {
            explained["throughput"] = .object(throughput.mapValues { .number($0) })
            explained["throughput_by"] = .string(machine.spec.throughput == nil ? "measured" : "declared")
        }
        if machine.state == .running {
            let why = whyFixed(machine)
            explained["scaling"] = [
                "while_it_trains": .bool(why.isEmpty), "why_not": .array(why.map { .string($0) }),
            ]
            if let asked = machine.ranksAsked, asked != machine.world, !machine.isChanging {
                explained["asked"] = .string(
                    why == [Self.hasNotStepped]
                        ? "\(asked) ranks, as soon as its script has taken a step"
                        : "\(asked) ranks, as soon as there is room for them")
            }
        }
        if machine.resizes > 0 {
            explained["resized_because"] = .string(machine.resizedBecause)
            explained["resizes"] = .integer(Int64(machine.resizes))
        }
        explained["needs"] = .string(
            "\(machine.ranksWanted.lowerBound == machine.ranksWanted.upperBound ? "\(machine.ranksWanted.lowerBound)" : "\(machine.ranksWanted.lowerBound) to \(machine.ranksWanted.upperBound)") ranks of \(machine.spec.demand.text)"
                + nodesText(of: machine))
        explained["nodes"] = snapshot
        if !machine.placedBecause.isEmpty { explained["placed_because"] = .string(machine.placedBecause) }
        return .object(explained)
    }

    /// Where it stands among all jobs, and what each term of the policy makes of it.
    private func explainStanding(_ machine: JobMachine, _ explained: inout [String: JSONValue]) async {
        let machines = await conductors.machines().filter { $0.state == .queued || $0.state.isSeated }
        explained["queue_length"] = .integer(Int64(queue.order.count))
        guard let standing = snapshot(of: machines).standing(of: machine.name) else { return }
        let terms = standing.map { term -> JSONValue in
            var members: [String: JSONValue] = ["term": .string(term.name), "because": .string(term.because)]
            if let weight = term.weight {
                members["weight"] = .number(weight)
                members["factor"] = .number(term.factor)
                members["points"] = .number(weight * term.factor)
            }
            return .object(members)
        }
        var members: [String: JSONValue] = ["terms": .array(terms)]
        if standing.contains(where: { $0.weight != nil }) {
            members["points"] = .number(standing.reduce(0) { $0 + ($1.points ?? 0) })
        }
        explained["standing"] = .object(members)
    }

    private func nodesText(of machine: JobMachine) -> String {
        let rule = (machine.spec.nodes ?? .anywhere).and(policies.current.nodes ?? .anywhere)
        return rule.isAnywhere ? "" : " on nodes \(rule.text)"
    }

    private func refreshedSnapshot(_ machines: [JobMachine]) -> JSONValue {
        refreshNodes()
        return .array(
            queue.nodes.map { node in
                let ranks = machines.filter(\.state.isSeated).flatMap(\.ranks).count { $0.seat.node == node.name }
                return ["name": .string(node.name), "health": .string(node.health.rawValue), "ranks": .integer(Int64(ranks))]
            })
    }

    // MARK: Logs

    public static let logBytesMax = 1 << 20

    /// Whole lines of a rank's output from a place on, and where the next read begins. `from` nil: the last `tail` lines.
    public func output(of name: String, rank: Int, from cursor: LogCursor?, tail: Int) async throws(Fault) -> (
        lines: [String], next: LogCursor, isOver: Bool
    ) {
        guard let machine = await (try known(name)).machine else { throw unknownJob(name) }
        let reader = LogReader(path: machine.plan.log(of: rank))
        let isOver = machine.isOver
        let (lines, next) = cursor.map { reader.lines(after: $0) } ?? reader.last(tail)
        return (lines, next, isOver)
    }

    /// Ranks that ever wrote anything.
    public func ranks(of name: String) async throws(Fault) -> [Int] {
        guard let machine = await (try known(name)).machine else { throw unknownJob(name) }
        let most = machine.changes.map { max($0.from, $0.to) }.max() ?? 0
        return (0..<JobSpec.ranksMax).prefix { $0 < max(machine.world, machine.spec.ranksMax, machine.ranksAsked ?? 0, most) }
            .filter {
                PlainFiles.identity(machine.plan.log(of: $0)) != nil
            }
    }
}

/// Where in a log a reader is: which file, and how far.
public struct LogCursor: Equatable, Sendable {
    var file: UInt64
    var offset: Int

    /// Before everything.
    public static let start = LogCursor(file: 0, offset: 0)
}

/// Reads a rank's log, through the file that it was before it began anew.
struct LogReader {
    let path: String

    func last(_ count: Int) -> (lines: [String], next: LogCursor) {
        guard let here = PlainFiles.identity(path) else { return ([], LogCursor(file: 0, offset: 0)) }
        let start = max(0, here.size - TrainingService.logBytesMax)
        var lines = whole(PlainFiles.read(path, from: start, limit: TrainingService.logBytesMax))
        if start > 0, !lines.lines.isEmpty { lines.lines.removeFirst() }
        return (Array(lines.lines.suffix(count)), LogCursor(file: here.file, offset: start + lines.bytes))
    }

    func lines(after cursor: LogCursor) -> (lines: [String], next: LogCursor) {
        guard let here = PlainFiles.identity(path) else { return ([], cursor) }
        if here.file != cursor.file, cursor.file != 0, let old = PlainFiles.identity(path + ".1"), old.file == cursor.file {
            let rest = whole(PlainFiles.read(path + ".1", from: cursor.offset, limit: TrainingService.logBytesMax))
            if rest.bytes > 0 { return (rest.lines, LogCursor(file: cursor.file, offset: cursor.offset + rest.bytes)) }
        }
        let start = here.file == cursor.file ? cursor.offset : 0
        let rest = whole(PlainFiles.read(path, from: start, limit: TrainingService.logBytesMax))
        return (rest.lines, LogCursor(file: here.file, offset: start + rest.bytes))
    }

    /// Lines that have their end; what follows is read again.
    private func whole(_ bytes: [UInt8]) -> (lines: [String], bytes: Int) {
        guard let end = bytes.lastIndex(of: 0x0A) else { return ([], 0) }
        let lines = bytes[..<end].split(separator: 0x0A, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        return (lines, end + 1)
    }
}
