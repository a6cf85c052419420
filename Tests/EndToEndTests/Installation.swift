import Faults
import Glibc
import HTTP
import JSON
import Processes
import Synchronization

/// `openclaw serve` as a process of its own, in the workshop's home.
struct Installation {
    let workshop: Workshop
    let process: Child
    let gateway: String
    let control: String

    /// Starts it and waits until it is ready.
    static func start(in workshop: Workshop, applying files: [String] = [], options: [String] = []) async throws -> Installation {
        unsafe unlink("\(workshop.home)/daemon.json")
        let apply = files.isEmpty ? [] : ["--apply"] + files
        let process = try workshop.start(
            [Workshop.binary, "serve", "--gateway", "127.0.0.1:0", "--control", "127.0.0.1:0", "--loops", "2"]
                + options + apply,
            output: "serve.log")
        let address = try await workshop.until("the daemon listens") {
            guard process.isRunning else { throw Workshop.Late(description: "the daemon ended: \(workshop.read("serve.log"))") }
            return try? JSONValue(parsing: workshop.read("home/daemon.json"))
        }
        let installation = Installation(
            workshop: workshop, process: process, gateway: "http://\(address["gateway"]?.stringValue ?? "")",
            control: "http://\(address["control"]?.stringValue ?? "")")
        try await workshop.until("the daemon is ready") {
            try await workshop.outbound.send(.init("GET", installation.control + "/readyz")).status == 200 ? true : nil
        }
        return installation
    }

    func status(_ release: String) async throws -> JSONValue {
        let (code, output) = try await workshop.openclaw("release", "status", release, "--json")
        guard code == 0 else { throw Workshop.Late(description: output) }
        return try JSONValue(parsing: output)
    }
}

/// Users: each request is a new one, and what the answer was worth is sent back as feedback.
final class Users: Sendable {
    struct Tally {
        var answered = 0
        var failed: [String] = []
        var byVariant: [String: Int] = [:]
    }
    private let tally = Mutex(Tally())
    private let stopping = Atomic<Bool>(false)
    private let task = Mutex<Task<Void, Never>?>(nil)

    var seen: Tally { tally.withLock(\.self) }

    /// `gateway` is asked anew for each request, because a daemon that restarts has another port.
    func begin(at gateway: @escaping @Sendable () -> String, outbound: Outbound, workers: Int = 4) {
        let running = Task {
            await withTaskGroup { group in
                for worker in 0..<workers {
                    group.addTask { [self] in
                        var number = worker
                        while !stopping.load(ordering: .relaxed) {
                            await ask(number, gateway(), outbound)
                            number += workers
                        }
                    }
                }
            }
        }
        task.withLock { $0 = running }
    }

    func end() async {
        stopping.store(true, ordering: .relaxed)
        await task.withLock(\.self)?.value
    }

    private func ask(_ number: Int, _ gateway: String, _ outbound: Outbound) async {
        do {
            let answer = try await outbound.send(
                .init(
                    "POST", gateway + "/fraud", headers: [("X-User-Id", "user-\(number)"), ("Content-Type", "application/json")],
                    body: Array("{\"number\": \(number)}".utf8)))
            let variant = answer.headers["X-OpenClaw-Variant"] ?? ""
            tally.withLock { tally in
                tally.answered += 1
                tally.byVariant[variant, default: 0] += 1
                if answer.status != 200 && answer.status != 500 { tally.failed.append("status \(answer.status) from \(variant)") }
            }
            guard answer.status == 200, let id = answer.headers["X-OpenClaw-Request-Id"],
                let json = try? JSONValue(parsing: answer.body),
                let correct = json["correct"]?.boolValue
            else { return }
            _ = try await outbound.send(
                .init(
                    "POST", gateway + "/v1/feedback", headers: [("Content-Type", "application/json")],
                    body: Array("{\"request_id\": \"\(id)\", \"metric\": \"correct\", \"value\": \(correct)}".utf8)))
        } catch {
            tally.withLock { $0.failed.append(error.why) }
        }
    }
}
