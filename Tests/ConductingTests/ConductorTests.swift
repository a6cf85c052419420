import Conducting
import Faults
import JSON
import Ledger
import Synchronization
import TestFolders
import Testing

/// A harbour with one ledger, and one ferry that versions of a program conduct one after another.
private struct Harbour {
    let folder = TemporaryFolder()
    let sea = Sea()

    /// One life of a program with these rules; what `visit` returns is the life's result.
    func life<Rules: FerryRules, Result: Sendable>(
        _ rules: Rules.Type, boundaries: Boundaries = .unwatched,
        _ visit: @Sendable (Conductor<Ferry<Rules>>, LedgerWriter) async throws -> Result
    ) async throws -> Result {
        let ledger = try await LedgerWriter.open(directory: folder.path)
        var conductors = Conductors<Ferry<Rules>>()
        let chronicles = try await Conductors<Ferry<Rules>>.chronicles(in: ledger.reader)
        let ferry = Conductor(
            name: "elbe", chronicle: chronicles["elbe"] ?? Chronicle(), ledger: ledger, handlers: sea.handlers(boundaries))
        conductors["elbe"] = ferry
        await conductors.resume()
        do {
            let result = try await visit(ferry, ledger)
            await conductors.drain()
            await ledger.close()
            return result
        } catch {
            await conductors.drain()
            await ledger.close()
            throw error
        }
    }

    func kinds(_ ledger: LedgerWriter) async throws -> [String] {
        try await ledger.reader.entries(kind: "ferry", name: "elbe").map(\.kind)
    }
}

/// Waits until nothing is under way.
private func settle<M>(_ conductor: Conductor<M>) async {
    var calm = 0
    while calm < 3 {
        calm = await conductor.isQuiet ? calm + 1 : 0
        await Task.yield()
    }
}

struct ConductorTests {
    struct Killed: Error {}

    @Test func `an event is recorded before its effects are performed, and each answer after`() async throws {
        let harbour = Harbour()
        let kinds = try await harbour.life(FirstRules.self) { ferry, ledger in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            try await ferry.tell(.boarded(passengers: 5), by: "ann")
            await settle(ferry)
            #expect(await ferry.machine?.trips == 1)
            return try await harbour.kinds(ledger)
        }
        #expect(kinds == ["ferry.applied", "ferry.boarded", "ferry.sailed", "ferry.returned"])
        #expect(harbour.sea.done.withLock { $0.map(\.effect) } == ["sail", "come_back"])
    }

    @Test func `what cannot be done comes back as an event`() async throws {
        let folder = TemporaryFolder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let sea = Sea(isRough: true)
        let ferry = Conductor<Ferry<FirstRules>>(name: "elbe", chronicle: Chronicle(), ledger: ledger, handlers: sea.handlers())
        try await ferry.apply(.init(name: "elbe"), by: "ann")
        try await ferry.tell(.boarded(passengers: 1), by: "ann")
        await settle(ferry)
        let failed = try #require(try await ledger.reader.entries(kind: "ferry").first { $0.kind == "ferry.failed" })
        #expect(failed.body["input"]?["event"]?["failed"]?["trouble"]?["mayPass"] == true)
        await ferry.drain()
        await ledger.close()
    }

    @Test func `an attempt that may not begin is refused, and nothing is recorded`() async throws {
        let harbour = Harbour()
        try await harbour.life(FirstRules.self) { ferry, ledger in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            try await ferry.tell(.boarded(passengers: 50), by: "ann")
            await #expect(throws: Fault.self) { try await ferry.apply(.init(name: "elbe"), by: "bob") }
            let kinds = try await harbour.kinds(ledger)
            #expect(kinds == ["ferry.applied", "ferry.boarded"])
        }
    }

    @Test func `an intent that an earlier life left open is asked about, not repeated`() async throws {
        let harbour = Harbour()
        let kill = Boundaries { if $0 == EffectBoundary<Ferry<FirstRules>>.after(.sail) { throw Killed() } }
        try await harbour.life(FirstRules.self, boundaries: kill) { ferry, _ in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            try? await ferry.tell(.boarded(passengers: 5), by: "ann")
            await settle(ferry)
            #expect(await ferry.isStopped)
        }
        try await harbour.life(FirstRules.self) { ferry, _ in
            await settle(ferry)
            #expect(await ferry.machine?.trips == 1)
        }
        #expect(harbour.sea.done.withLock { $0.map(\.effect) } == ["sail", "come_back"])
    }

    @Test func `somebody else's entry is taken up before anything is decided after it`() async throws {
        let harbour = Harbour()
        try await harbour.life(FirstRules.self) { ferry, ledger in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            let other = Conductor<Ferry<FirstRules>>(
                name: "elbe", chronicle: try await Conductors.chronicles(in: ledger.reader)["elbe"] ?? Chronicle(), ledger: ledger,
                handlers: harbour.sea.handlers())
            try await ferry.tell(.boarded(passengers: 50), by: "ann")
            await #expect(throws: Fault.self) { try await other.apply(.init(name: "elbe"), by: "bob") }
            #expect(await other.machine?.state == "overloaded")
        }
    }

    @Test func `the mailbox is bounded`() async throws {
        let harbour = Harbour()
        try await harbour.life(FirstRules.self) { ferry, _ in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            #expect(await ferry.isFullAfter(posts: Conductor<Ferry<FirstRules>>.lettersMax + 1))
        }
    }

    @Test func `an event about another attempt is not heard`() async throws {
        let harbour = Harbour()
        try await harbour.life(FirstRules.self) { ferry, ledger in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            await ferry.post(.boarded(passengers: 1), attempt: 7)
            await settle(ferry)
            let kinds = try await harbour.kinds(ledger)
            #expect(kinds == ["ferry.applied"])
        }
    }
}

extension Conductor {
    fileprivate func isFullAfter(posts: Int) -> Bool { (0..<posts).contains { _ in !post(.timePassed) } }
}

/// A version of the program replays what another one recorded.
struct ReplayTests {
    /// A ferry of the first version that is about to sail, and never does.
    private func boarded(passengers: Int) async throws -> Harbour {
        let harbour = Harbour()
        let kill = Boundaries { if $0 == EffectBoundary<Ferry<FirstRules>>.before(.sail) { throw ConductorTests.Killed() } }
        try await harbour.life(FirstRules.self, boundaries: kill) { ferry, _ in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            try? await ferry.tell(.boarded(passengers: passengers), by: "ann")
            await settle(ferry)
        }
        return harbour
    }

    @Test func `the same version finds no difference`() async throws {
        try await boarded(passengers: 5).life(FirstRules.self) { ferry, _ in
            await settle(ferry)
            #expect(await ferry.chronicle.differences.count == 0)
            #expect(await ferry.machine?.trips == 1)
        }
    }

    @Test func `a recorded intent stands against the one that this version would decide, and the difference is told`() async throws
    {
        try await boarded(passengers: 5).life(SlowerRules.self) { ferry, _ in
            let chronicle = await ferry.chronicle
            #expect(chronicle.hindrance == nil)
            #expect(chronicle.differences.count == 1)
            let told = try #require(chronicle.differences.first)
            #expect(told.entry.index == 1 && told.recorded.contains("sail") && told.recorded != told.decided)
            #expect(chronicle.telling(["name": "elbe"])["differences"]?["count"] == 1)
            await settle(ferry)  // without the slower version's pause
            #expect(await ferry.machine?.state == "at sea")
        }
    }

    @Test func `a resource that stands elsewhere is not conducted, and says which entry, what was recorded and what is decided`()
        async throws
    {
        let harbour = try await boarded(passengers: 5)
        try await harbour.life(StricterRules.self) { ferry, ledger in
            let fault = try #require(await ferry.hindrance)
            #expect(fault.what.contains("ferry/elbe") && fault.why.contains("Entry 1"))
            #expect(fault.why.contains("boarded") && fault.why.contains("overloaded"))
            #expect(fault.fix.contains("openclaw ferry resume elbe"))
            await #expect(throws: Fault.self) { try await ferry.tell(.boarded(passengers: 1), by: "ann") }
            #expect(await ferry.chronicle.telling([:])["conducted"] == false)
            await settle(ferry)
            let kinds = try await harbour.kinds(ledger)
            #expect(kinds.count == 2)
        }
        #expect(harbour.sea.done.withLock(\.count) == 0, "nothing was done")
        // The version that recorded it goes on as if nothing had been.
        try await harbour.life(FirstRules.self) { ferry, _ in
            await settle(ferry)
            #expect(await ferry.machine?.trips == 1)
        }
    }

    @Test func `a person has this version go on, and that is recorded and stays so`() async throws {
        let harbour = try await boarded(passengers: 5)
        let kill = Boundaries { if $0 == EffectBoundary<Ferry<StricterRules>>.before(.sail) { throw ConductorTests.Killed() } }
        try await harbour.life(StricterRules.self, boundaries: kill) { ferry, ledger in
            let isResumed = try await ferry.resumeByThisVersion(by: "ann")
            #expect(isResumed)
            #expect(await ferry.hindrance == nil)
            let (last, again) = (try await harbour.kinds(ledger).last, try await ferry.resumeByThisVersion(by: "ann"))
            #expect(last == "ferry.resumed_by_this_version" && !again)
        }
        // Whoever reads it otherwise again asks again.
        try await harbour.life(FirstRules.self) { ferry, _ in #expect(await ferry.hindrance?.why.contains("Entry 2") == true) }
        try await harbour.life(StricterRules.self) { ferry, _ in
            #expect(await ferry.hindrance == nil)
            await settle(ferry)
            #expect(await ferry.machine?.trips == 1, "what was recorded to be done is done")
            try await ferry.tell(.boarded(passengers: 2), by: "ann")
            await settle(ferry)
            #expect(await ferry.machine?.trips == 2)
        }
    }

    @Test func `an entry that cannot be read hinders its own resource alone`() async throws {
        let harbour = Harbour()
        try await harbour.life(FirstRules.self) { ferry, ledger in
            try await ferry.apply(.init(name: "elbe"), by: "ann")
            let draft = LedgerDraft(kind: "ferry.boarded", by: "nobody", body: ["nothing": true])
            _ = try await ledger.append(draft, to: ResourceID("ferry", "rhine"), after: .none)
        }
        try await harbour.life(FirstRules.self) { ferry, ledger in
            let rhine = try #require(try await Conductors<Ferry<FirstRules>>.chronicles(in: ledger.reader)["rhine"])
            #expect(rhine.hindrance?.what == "ferry/rhine is not conducted: entry 1 cannot be read.")
            try await ferry.tell(.boarded(passengers: 2), by: "ann")
            await settle(ferry)
            #expect(await ferry.machine?.trips == 1)
        }
    }
}
