import Faults
import Outcomes
import Routing
import Statistics
import Telemetry
import TestFolders
import Testing

/// Random histories against a model that keeps everything in arrays.
struct OutcomeHistoryTests {
    struct Model {
        var exposures: [Exposure] = []
        var scores: [Score] = []
        var keys: Set<String> = []
        var byID: [RequestID: Exposure] = [:]

        mutating func feed(_ event: OutcomeStore.Feedback, at: Timestamp, window: Duration) -> OutcomeStore.FeedbackResult {
            guard case .request(let id) = event.target, let exposure = byID[id] else { return .unknownExposure }
            guard at - exposure.at <= window else { return .tooLate }
            guard keys.insert(event.idempotencyKey.map { "k" + $0 } ?? "\(id) \(event.metric)").inserted else { return .duplicate }
            scores.append(
                Score(
                    request: exposure.request, route: exposure.route, variant: exposure.variant, unit: exposure.unit,
                    propensity: exposure.propensity, metric: event.metric, value: event.value, exposedAt: exposure.at, at: at))
            return .joined
        }
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `any history of loops, lives, restarts and crashes joins, counts and replays as a plain list would`(seed: UInt64)
        async throws
    {
        var random = SplitMix64(seed: seed)
        var folder = Folder()
        let settings = settings { $0.window = .seconds(50) }
        var store = try await OutcomeStore.open(directory: folder.path, settings: settings)
        var model = Model()
        var (now, sequences, instance) = (noon, [UInt64](repeating: 0, count: 3), UInt32(1))
        // Two watchers: one reads along and remembers its cursor over restarts, one reads everything at the end.
        var (cursor, along) = (start, (exposures: [Exposure](), scores: [Score]()))
        for _ in 0..<60 {
            now = now + .milliseconds(Int64.random(in: 0...2_000, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                // A loop hands over answers in the order they ended, not in the order they began.
                let loop = Int.random(in: 0..<3, using: &random)
                let batch = (0..<UInt64.random(in: 1...40, using: &random)).map { place in
                    exposure(
                        sequences[loop] + place, loop: UInt8(loop), instance: instance,
                        route: UInt16.random(in: 1...2, using: &random), variant: UInt8.random(in: 0...2, using: &random),
                        unit: random.next() % 50, at: now)
                }.shuffled(using: &random)
                sequences[loop] += UInt64(batch.count)
                try await store.record(batch)
                model.exposures += batch
                for exposure in batch { model.byID[exposure.request] = exposure }
            case 5..<8:
                var events: [OutcomeStore.Feedback] = []
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    let target = model.exposures.randomElement(using: &random) ?? exposure(0)
                    let unknown = Int.random(in: 0..<10, using: &random) == 0
                    events.append(
                        .init(
                            target: .request(unknown ? exposure(1 << 30).request : target.request),
                            metric: ["a", "b"].randomElement(using: &random)!, value: random.unit(),
                            idempotencyKey: Bool.random(using: &random) ? nil : "key\(random.next() % 100)"))
                }
                let expected = events.map { model.feed($0, at: now, window: .seconds(50)) }
                #expect(try await store.feed(events, at: now) == expected)
            case 8:
                let read = try await watch(store, 1, from: cursor, limit: Int.random(in: 2...50, using: &random))
                (along.exposures, along.scores, cursor) = (along.exposures + read.exposures, along.scores + read.scores, read.end)
            default:
                let crash = Bool.random(using: &random)
                let next = crash ? folder.crashed() : folder
                await store.close()
                folder = next
                store = try await OutcomeStore.open(directory: folder.path, settings: settings)
                if Bool.random(using: &random) { (instance, sequences) = (instance + 1, [0, 0, 0]) }
            }
        }
        for route in 1...2 as ClosedRange<UInt16> {
            let all = try await watch(store, route, from: start, limit: 97)
            #expect(all.exposures == model.exposures.filter { $0.route == RouteID(route) })
            #expect(all.scores == model.scores.filter { $0.route == RouteID(route) })
            guard route == 1 else { continue }
            let rest = try await watch(store, route, from: cursor, limit: 5)
            #expect(along.exposures + rest.exposures == all.exposures)
            #expect(along.scores + rest.scores == all.scores)
        }
        await store.close()
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `a torn end loses only the batch it tore; no place is given twice; feedback is all there`(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.segmentSlots = 1_000 })
        var batches: [[Exposure]] = []
        var sequence: UInt64 = 0
        for _ in 0..<10 {
            batches.append((0..<UInt64.random(in: 1...30, using: &random)).map { exposure(sequence + $0) })
            sequence += UInt64(batches[batches.count - 1].count)
            try await store.record(batches[batches.count - 1])
        }
        #expect(try await store.feed(batches[0].map { about($0) }, at: noon).allSatisfy { $0 == .joined })
        let before = await store.cursor()
        let crashed = folder.crashed()
        await store.close()

        let name = try #require(crashed.names.first { $0.hasSuffix(".log") })
        var bytes = crashed.bytes(of: name)
        let lastBatch = (batches[9].count + 1) * 64
        switch seed % 3 {
        case 0: bytes.removeLast(Int.random(in: 1...lastBatch, using: &random))
        case 1: bytes[bytes.count - Int.random(in: 1...lastBatch, using: &random)] ^= 0x40
        default: bytes += [UInt8](repeating: 0, count: Int.random(in: 1...300, using: &random))  // a file grown, its data lost
        }
        crashed.write(bytes, to: name)
        let survivors = Array(batches[..<(seed % 3 == 2 ? 10 : 9)].joined())

        let again = try await OutcomeStore.open(directory: crashed.path, settings: settings())
        #expect(try await watch(again, from: start, limit: 64).exposures == survivors)
        #expect(try await watch(again, from: start, limit: 64).scores.count == batches[0].count)
        #expect(await again.cursor().exposureSequence >= before.exposureSequence)
        try await again.record([exposure(1 << 20)])
        // A watcher that had read what was lost sees what is new.
        #expect(try await watch(again, from: before, limit: 64).exposures == [exposure(1 << 20)])
        #expect(try await again.feed([about(survivors[survivors.count - 1], "late")], at: noon) == [.joined])
        await again.close()
    }

    @Test func `fewer than asked for means that there is no more, whatever else is in the log`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.segmentSlots = 1 << 20 })
        let rare = exposure(1 << 30, route: 9)
        try await store.record((0..<70_000).map { exposure($0) } + [rare])
        _ = try await store.feed([about(rare)], at: noon)
        let (found, next) = try await store.observations(of: RouteID(9), after: start, limit: 100)
        let now = await store.cursor()
        #expect(found.count == 2 && next == now)
        let part = try await store.observations(of: RouteID(1), after: start, limit: 100)
        #expect(part.observations.count == 100)
        await store.close()
    }

    @Test func `a watcher far behind reads the database, one that keeps up reads memory, and both see the same`() async throws {
        let folder = Folder()
        var store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.segmentSlots = 1 << 20 })
        try await store.record((0..<20_000).map { exposure($0, unit: $0) })
        for part in stride(from: 0 as UInt64, to: 20_000, by: 5_000) {
            _ = try await store.feed((part..<part + 5_000).map { about(exposure($0, unit: $0)) }, at: noon)
        }
        let alive = try await watch(store, from: start, limit: 4_096)
        #expect(alive.scores.map(\.unit) == Array(0..<20_000))
        await store.close()
        store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let replayed = try await watch(store, from: start, limit: 1_000)
        #expect(replayed.scores == alive.scores && replayed.exposures == alive.exposures)
        await store.close()
    }
}
