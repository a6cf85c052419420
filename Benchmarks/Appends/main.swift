import Faults
import Glibc
import JSON
import Ledger

// Prints what the ledger does here: durable appends one by one and in group commit, and audits of what was appended.
// The figures are the disk's as much as ours; nothing is asserted. `openclaw-appends [DIR]`: DIR is on the disk to measure.

let parent = Swift.CommandLine.arguments.dropFirst().first ?? "."
var template = Array("\(parent)/openclaw-appends-XXXXXX".utf8CString)
let made: String? = unsafe template.withUnsafeMutableBufferPointer { template in
    unsafe mkdtemp(template.baseAddress!).map { unsafe String(cString: $0) }
}
guard let directory = made else {
    print("no folder can be made in \(parent)")
    exit(1)
}

/// About what a gate's verdict has.
let body: JSONValue = [
    "event": "judged", "gate": "max_error_rate", "limit": 0.01, "seen": 0.0009, "interval": [0.0, 0.0064], "samples": 2_113,
    "verdict": "undecided", "reason": "needs about 300 more requests before a limit of 1 % can be told from what was seen",
]

func report(_ what: String, _ count: Int, _ elapsed: Duration) {
    let seconds = Double(elapsed.components.attoseconds) / 1e18 + Double(elapsed.components.seconds)
    let line: JSONValue = [
        "what": .string(what), "count": .integer(Int64(count)), "per_second": .integer(Int64(Double(count) / seconds)),
    ]
    print(line.canonicalText)
}

/// Appends from so many tasks at once, each to a resource of its own.
func append(_ count: Int, tasks: Int, to ledger: LedgerWriter) async throws {
    let elapsed = try await ContinuousClock().measure {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    let resource = ResourceID("release", "bench-\(tasks)-\(task)")
                    var head = Position.none
                    for _ in 0..<(count / tasks) {
                        let draft = LedgerDraft(kind: "release.event", by: "conductor", body: body)
                        head = try await ledger.append(draft, to: resource, after: head)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
    report(tasks == 1 ? "durable appends, one by one" : "durable appends, \(tasks) at once", count, elapsed)
}

do {
    let ledger = try await LedgerWriter.open(directory: directory)
    try await append(1_000, tasks: 1, to: ledger)
    try await append(8_000, tasks: 16, to: ledger)
    try await append(51_200, tasks: 512, to: ledger)
    await ledger.close()

    let clock = ContinuousClock()
    let started = clock.now
    let verdict = try await LedgerAudit.verify(path: directory, key: .demanded(ledger.verifierKey))
    report("entries verified in the database, ok=\(verdict.isGood)", Int(verdict.entries), clock.now - started)
} catch {
    print(error)
}
for name in ["ledger.db", "ledger.db.lock", "ledger.db-wal", "ledger.db-shm", "ledger.key", "ledger.vkey"] {
    unsafe unlink("\(directory)/\(name)")
}
unsafe rmdir(directory)
