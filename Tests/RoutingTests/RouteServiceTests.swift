import Faults
import JSON
import Ledger
import Routing
import Statistics
import Synchronization
import TestFolders
import Testing

/// A route service on a ledger of its own, and what it published.
struct Bench {
    let folder = Folder()
    let ledger: LedgerWriter
    let routes: RouteService
    let published: Published

    final class Published: Sendable {
        let tables = Mutex<[RoutingTable]>([])
        let isBroken = Mutex(false)
        let served = Mutex<[String: String]>([:])
        var last: RoutingTable? { tables.withLock { $0.last } }
        var count: Int { tables.withLock { $0.count } }
    }

    init() async throws {
        ledger = try await LedgerWriter.open(directory: folder.path)
        published = Published()
        routes = Bench.service(ledger, published)
        try await routes.restore()
    }

    /// The next life over the same ledger.
    func restarted() async throws -> RouteService {
        let next = Bench.service(ledger, published)
        try await next.restore()
        return next
    }

    private static func service(_ ledger: LedgerWriter, _ published: Published) -> RouteService {
        RouteService(
            ledger: ledger, resolve: { version in published.served.withLock { $0[version] } },
            publish: { table throws(Fault) in
                if published.isBroken.withLock({ $0 }) { throw Fault(.unavailable, what: "no loop", why: "-", fix: "-") }
                published.tables.withLock { $0.append(table) }
            })
    }

    static func fraud(
        _ shares: [(String, Int)] = [("v11", 9_000), ("v12", 1_000)], path: String = "/fraud", name: String = "fraud"
    )
        -> RouteSpec
    {
        RouteSpec(
            name: name, match: RouteMatch(path: path), unit: .header("X-User-Id"),
            variants: shares.map { .init(name: $0.0, url: "http://127.0.0.1:9001/\($0.0)", basisPoints: $0.1) })
    }
}

func refusal(_ body: () async throws -> Void) async -> Fault? {
    do {
        try await body()
        return nil
    } catch { return error as? Fault }
}

struct RouteServiceTests {
    @Test func `a file may exchange all the variants a route can have`() async throws {
        let bench = try await Bench()
        func all(_ letter: String) -> [(String, Int)] { (0..<64).map { ("\(letter)\($0)", $0 < 16 ? 10_000 / 16 : 0) } }
        #expect(try await bench.routes.apply(Bench.fraud(all("a")), by: "cli") == .created)
        for letter in ["b", "c", "d", "e", "a"] {
            #expect(try await bench.routes.apply(Bench.fraud(all(letter)), by: "cli") == .changed)
            let route = try #require(await bench.routes.route("fraud"))
            #expect(route.sharesByName.filter { $0.value > 0 } == Dictionary(uniqueKeysWithValues: all(letter).prefix(16)))
            #expect(Set(route.variants.map(\.name)) == Set(all(letter).map(\.0)) && Set(route.variants.map(\.id)).count == 64)
        }
        // What keeps its share cannot be dropped, as before.
        _ = try await bench.routes.set("fraud", shares: ["a63": 10_000], by: "cli")
        let fewer = Array(all("a").dropLast())
        #expect(await refusal { _ = try await bench.routes.apply(Bench.fraud(fewer), by: "cli") }?.kind == .conflict)
    }

    @Test func `applying creates, applying the same changes nothing, applying another content changes`() async throws {
        let bench = try await Bench()
        #expect(try await bench.routes.apply(Bench.fraud(), by: "cli") == .created)
        let published = bench.published.count
        #expect(try await bench.routes.apply(Bench.fraud(), by: "cli") == .unchanged)
        #expect(bench.published.count == published)
        #expect(try await bench.routes.apply(Bench.fraud([("v11", 5_000), ("v12", 5_000)]), by: "cli") == .changed)
        #expect(await bench.routes.route("fraud")?.sharesByName == ["v11": 5_000, "v12": 5_000])
        #expect(bench.published.last == (await bench.routes.table()))
    }

    @Test func `the same content never undoes what was set since, and neither does an edit of something else`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        _ = try await bench.routes.set("fraud", shares: ["v11": 2_000, "v12": 8_000], by: "token:admin")
        #expect(try await bench.routes.apply(Bench.fraud(), by: "cli") == .unchanged)
        var edited = Bench.fraud()
        edited.timeouts.idle = 1
        #expect(try await bench.routes.apply(edited, by: "cli") == .changed)
        #expect(await bench.routes.route("fraud")?.sharesByName == ["v11": 2_000, "v12": 8_000])
        #expect(await bench.routes.route("fraud")?.timeouts.idle == 1)
        let again = try await bench.restarted()
        #expect(try await again.apply(edited, by: "cli") == .unchanged)
        #expect(await again.table() == (await bench.routes.table()))
    }

    @Test func `a variant that the file drops goes, unless it answers something now`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud([("a", 10_000), ("b", 0)]), by: "cli")
        _ = try await bench.routes.set("fraud", shares: ["a": 9_000, "b": 1_000], by: "cli")
        let dropped = Bench.fraud([("a", 10_000), ("c", 0)])
        let fault = await refusal { _ = try await bench.routes.apply(dropped, by: "cli") }
        #expect(fault?.kind == .conflict && fault?.why.contains("10 %") == true)
        #expect(await bench.routes.route("fraud")?.variants.map(\.name) == ["a", "b"])
        _ = try await bench.routes.set("fraud", shares: ["a": 10_000], by: "cli")
        _ = try await bench.routes.apply(dropped, by: "cli")
        #expect(await bench.routes.route("fraud")?.variants.map(\.name) == ["a", "c"])
        // `b` comes back with the number it had: exposures of it are still about it.
        _ = try await bench.routes.apply(Bench.fraud([("a", 10_000), ("b", 0)]), by: "cli")
        #expect(await bench.routes.route("fraud")?.variant(named: "b")?.id == VariantID(1))
    }

    @Test func `setting names what it does not know and what does not sum up`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let unknown = await refusal { _ = try await bench.routes.set("fraud", shares: ["v11": 5_000, "v21": 5_000], by: "cli") }
        #expect(unknown?.kind == .notFound && unknown?.fix.contains("Did you mean v11") == true)
        let sum = await refusal { _ = try await bench.routes.set("fraud", shares: ["v11": 5_000], by: "cli") }
        #expect(sum?.kind == .usage)
        let route = await refusal { _ = try await bench.routes.set("fruad", shares: ["v11": 10_000], by: "cli") }
        #expect(route?.kind == .notFound && route?.fix.contains("Did you mean fraud") == true)
        let negative = await refusal { _ = try await bench.routes.set("fraud", shares: ["v11": 10_001, "v12": -1], by: "cli") }
        #expect(negative?.kind == .usage)
        #expect(await bench.routes.route("fraud")?.sharesByName == ["v11": 9_000, "v12": 1_000])
    }

    @Test func `two routes cannot match the same requests`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let fault = await refusal { _ = try await bench.routes.apply(Bench.fraud(name: "other"), by: "cli") }
        #expect(fault?.kind == .conflict && fault?.what.contains("fraud") == true)
        #expect(try await bench.routes.apply(Bench.fraud(path: "/other", name: "other"), by: "cli") == .created)
        #expect(Set(await bench.routes.routes().map(\.id)).count == 2)
    }

    @Test func `an unchanged route has its split and its units after a restart`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud([("a", 5_000), ("b", 3_000), ("c", 2_000)]), by: "cli")
        _ = try await bench.routes.set("fraud", shares: ["a": 6_000, "b": 3_000, "c": 1_000], by: "cli")
        let table = await bench.routes.table()
        let again = try await bench.restarted()
        #expect(await again.table() == table)
        #expect(bench.published.last == table)
    }

    @Test(arguments: 0..<6 as Range<UInt64>)
    func `tables are published in order, each at the position of its change, however changes race`(seed: UInt64) async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let routes = bench.routes
        await withTaskGroup(of: Void.self) { group in
            var random = SplitMix64(seed: seed)
            for _ in 0..<20 {
                let share = Int.random(in: 0...10_000, using: &random)
                group.addTask { _ = try? await routes.set("fraud", shares: ["v11": 10_000 - share, "v12": share], by: "cli") }
            }
        }
        let tables = bench.published.tables.withLock { $0 }
        for (a, b) in zip(tables, tables.dropFirst()) { #expect(a.position < b.position) }
        for table in tables.dropFirst() {
            let entry = try await bench.ledger.reader.entry(at: Position(table.position))
            #expect(entry?.resource == ResourceID("route", "fraud"))
            let split: TrafficSplit? = try entry?.body["state"]?["route"]?["split"]?.decoded()
            #expect(split == table.routes[0].split)
        }
    }

    @Test func `a change that another writer made first is decided anew on top of it`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let other = try await bench.restarted()
        _ = try await other.set("fraud", shares: ["v11": 1_000, "v12": 9_000], by: "other")
        var edited = Bench.fraud()
        edited.timeouts.idle = 5
        _ = try await bench.routes.apply(edited, by: "cli")
        #expect(await bench.routes.route("fraud")?.sharesByName == ["v11": 1_000, "v12": 9_000])
    }

    @Test func `when the ledger cannot record, nothing is published`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let (table, count) = (await bench.routes.table(), bench.published.count)
        await bench.ledger.close()
        let fault = await refusal { _ = try await bench.routes.set("fraud", shares: ["v11": 0, "v12": 10_000], by: "cli") }
        #expect(fault?.kind == .unavailable)
        #expect(await bench.routes.table() == table && bench.published.count == count)
    }

    @Test func `a table that no loop took goes out when the same is asked for again`() async throws {
        let bench = try await Bench()
        bench.published.isBroken.withLock { $0 = true }
        #expect(await refusal { _ = try await bench.routes.apply(Bench.fraud(), by: "cli") }?.kind == .unavailable)
        bench.published.isBroken.withLock { $0 = false }
        #expect(try await bench.routes.apply(Bench.fraud(), by: "cli") == .unchanged)
        #expect(bench.published.last?.routes.count == 1)
    }

    @Test func `a unit's variant is explained`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud([("v11", 10_000)]), by: "cli")
        let json = try await bench.routes.explain(route: "fraud", unit: "user-1").json
        #expect(json["route"] == "fraud" && json["unit"] == "user-1" && json["variant"] == "v11" && json["bucket"] == 9_789)
        #expect(json["reason"]?.stringValue?.contains("v11") == true)
    }
}
