import Faults

/// The allocations of this installation: one for each run of a job, and one for each replacement that its run's allocation has
/// no node for (Slurm takes a lost node out of an allocation for good). They hold no process, so that nothing but Slurm itself
/// has to live for them: a restarted daemon finds them by name.
actor SlurmAllocations {
    struct Allocation: Equatable, Sendable {
        var id: String
        var name: String
        /// `PENDING`, `RUNNING`, ...
        var state: String
        /// As Slurm writes lists: `n[1-3,7]`.
        var nodes: String
        /// Why it waits.
        var reason: String

        var waits: Bool { ["PENDING", "CONFIGURING", "REQUEUED"].contains(state) }
        var holds: Bool { state == "RUNNING" }
    }

    /// How often Slurm is asked whether an allocation that another life of the daemon asked for has come.
    private static let look = Duration.seconds(1)

    private let command: SlurmCommand
    private let options: [String]
    /// Before every name: no other installation's allocations are touched.
    private let prefix: String
    /// Asked for now, by name.
    private var asked: [String: Task<Result<Allocation, Fault>, Never>] = [:]

    init(_ command: SlurmCommand, options: [String], installation: String) {
        (self.command, self.options, prefix) = (command, options, "openclaw-\(installation)/")
    }

    // MARK: Names

    private nonisolated func name(of run: EngineRun) -> String { "\(prefix)\(run.job)/\(run.attempt).\(run.run)" }
    private func name(of run: EngineRun, _ slot: Int, _ life: Int) -> String { "\(name(of: run))/\(slot).\(life)" }
    /// Whether an allocation is of this run, or of one of its replacements.
    nonisolated func isOf(_ run: EngineRun, _ allocation: Allocation) -> Bool {
        allocation.name == name(of: run) || allocation.name.hasPrefix(name(of: run) + "/")
    }

    // MARK: Asking

    /// Where a rank's Worker is to start: in the run's allocation where that has its node, else in one of its own.
    func allocation(for slot: Int, life: Int, of run: EngineRun, on nodes: [SlurmNode]) async throws(Fault) -> Allocation {
        let node = run.seats[slot].node
        if life == 0 { return try await obtain(name(of: run), SlurmWish(run, on: nodes)) }
        let there = try await listed()
        if let whole = there.first(where: { $0.name == name(of: run) && $0.holds }), try await names(in: whole).contains(node) {
            return whole
        }
        return try await obtain(name(of: run, slot, life), SlurmWish(run, slots: [slot], on: nodes))
    }

    /// One request for each name, however many ask.
    private func obtain(_ name: String, _ wish: SlurmWish) async throws(Fault) -> Allocation {
        let task = asked[name] ?? Task { await request(name, wish) }
        asked[name] = task
        let result = await task.value
        asked[name] = nil
        return try result.get()
    }

    private func request(_ name: String, _ wish: SlurmWish) async -> Result<Allocation, Fault> {
        do throws(Fault) {
            if let there = try await listed().first(where: { $0.name == name && ($0.holds || $0.waits) }) {
                return .success(try await come(there))
            }
            _ = try await command.run(
                ["salloc", "--no-shell", "--no-kill", "--quiet"] + options + wish.options + ["--job-name=\(name)"], limit: nil)
            guard let made = try await listed().first(where: { $0.name == name && $0.holds }) else {
                throw Fault(
                    .unavailable, what: "Slurm's allocation for \(name) is gone again.", why: "squeue does not list it.",
                    fix: "See what `sacct --name=\(name)` says.")
            }
            return .success(made)
        } catch { return .failure(error) }
    }

    /// Waits until one that was asked for before has come.
    private func come(_ allocation: Allocation) async throws(Fault) -> Allocation {
        var now: Allocation? = allocation
        while let waiting = now, waiting.waits {
            try? await Task.sleep(for: Self.look)
            now = try await listed().first { $0.id == allocation.id }
        }
        guard let now, now.holds else {
            throw Fault(
                .unavailable, what: "Slurm's allocation \(allocation.id) ended before it began.",
                why: "Its state is \(now?.state ?? "unknown").", fix: "See what `scontrol show job \(allocation.id)` says.")
        }
        return now
    }

    private func names(in allocation: Allocation) async throws(Fault) -> [String] {
        guard !allocation.nodes.isEmpty else { return [] }
        return try await command.run(["scontrol", "show", "hostnames", allocation.nodes]).split(separator: "\n").map(String.init)
    }

    // MARK: What there is

    /// Of this installation, whatever became of them as long as Slurm lists them.
    func listed() async throws(Fault) -> [Allocation] {
        let text = try await command.run(["squeue", "--me", "--noheader", "--states=all", "--format=%i|%j|%T|%N|%r"])
        return text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard cells.count == 5, cells[1].hasPrefix(prefix) else { return nil }
            return Allocation(id: cells[0], name: cells[1], state: cells[2], nodes: cells[3], reason: cells[4])
        }
    }

    // MARK: Giving back

    /// Cancels what no run holds any more. Which runs there are is asked after the list was made: a run is recorded before its
    /// allocation is asked for, so that none is cancelled that has only just come.
    func settle(running: @Sendable () async -> [EngineRun]) async throws(Fault) {
        let there = try await listed().filter { $0.holds || $0.waits }
        guard !there.isEmpty else { return }
        let runs = await running()
        let spare = there.filter { allocation in !runs.contains { isOf($0, allocation) } }
        guard !spare.isEmpty else { return }
        _ = try await command.run(["scancel"] + spare.map(\.id))
    }
}
