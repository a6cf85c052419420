import Faults
import Gateway
import Glibc
import HTTP
import JSON
import Ledger
import Routing
import TestFolders
import Testing

@testable import ControlPlane

struct DaemonTests {
    @Test func `applying the same content again changes nothing, and never undoes a split that was moved since`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route).json["applied"]?[0]?["outcome"] == "created")
        let moved = try await house.call("PUT", "/api/v1/routes/fraud/split", ["shares": ["v11": 0.5, "v12": 0.5]])
        #expect(moved.json["variants"]?[1]?["share"]?.numberValue == 0.5)
        let entries = try await house.daemon.services().ledger.reader.count()
        #expect(try await house.apply(DaemonHouse.route).json["applied"]?[0]?["outcome"] == "unchanged")
        #expect(try await house.daemon.services().ledger.reader.count() == entries)
        #expect(try await house.call("GET", "/api/v1/routes/fraud").json["variants"]?[1]?["share"]?.numberValue == 0.5)
    }

    @Test func `a mistake in the last document changes nothing of the first`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let answer = try await house.apply(DaemonHouse.route + "\n---\nroute:\n  name: other\n  mach: { path: \"/x\" }\n")
        #expect(answer.status == 422)
        #expect(answer.json["error"]?["why"]?.stringValue?.contains("test.yaml line 11") == true)
        #expect(try await house.call("GET", "/api/v1/routes").json["routes"] == [])
    }

    @Test func `a file of another kind than the verb's is refused`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.apply(DaemonHouse.route, only: "model").status == 422)
        #expect(try await house.apply("rute:\n  name: x\n").json["error"]?["fix"]?.stringValue?.contains("route") == true)
    }

    @Test func `declaring commands that the daemon runs takes an admin`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let made = try await house.call("POST", "/api/v1/tokens", ["name": "ci", "scopes": ["operate"]])
        let operate = try #require(made.json["secret"]?.stringValue)
        let commands = "model:\n  name: m\n  build: { run: \"touch /tmp/x\", timeout: 1m }\n"
        #expect(try await house.apply(commands, token: operate).status == 403)
        #expect(try await house.call("GET", "/api/v1/models").json["models"] == [])
        #expect(try await house.apply("model:\n  name: m\n", token: operate).status == 200)
    }

    @Test func `ready means that what --apply named is served`() async throws {
        let folder = TemporaryFolder()
        let file = folder.write(DaemonHouse.route, to: "route.yaml")
        let house = try await DaemonHouse(in: folder, applying: [file])
        defer { Task { await house.daemon.drain() } }
        let ready = try await house.text(house.control + "/readyz")
        #expect(ready.status == 200)
        #expect(try await house.call("GET", "/api/v1/routes/fraud").status == 200)
        #expect(await house.daemon.gateway?.servedPosition() ?? -2 >= 0)
    }

    @Test func `an unusable file named by --apply keeps the daemon from starting, and leaves no home behind`() async throws {
        let folder = TemporaryFolder()
        let file = folder.write("route:\n  nam: fraud\n", to: "bad.yaml")
        await #expect(throws: Fault.self) { try await DaemonHouse(in: folder, applying: [file]) }
        #expect(folder.names == ["bad.yaml"])
    }

    @Test func `one home has one daemon`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let fault = await #expect(throws: Fault.self) { try await DaemonHouse(after: house) }
        #expect(fault?.kind == .conflict)
        #expect(try await house.call("GET", "/api/v1/status").status == 200)
    }

    @Test func `without its database the gateway serves the last table, and the control plane says why it does not`() async throws {
        let first = try await DaemonHouse()
        #expect(try await first.apply(DaemonHouse.route).status == 200)
        await first.daemon.drain()
        // Something that is no database stands where it was.
        #expect(unsafe rename("\(first.home)/ledger.db", "\(first.home)/kept.db") == 0)
        #expect(unsafe mkdir("\(first.home)/ledger.db", 0o700) == 0)
        let second = try await DaemonHouse(after: first)
        defer { Task { await second.daemon.drain() } }
        #expect(try await second.text(second.control + "/healthz").status == 200)
        #expect(try await second.text(second.control + "/readyz").status == 503)
        let refused = try await second.call("GET", "/api/v1/routes")
        #expect(refused.status == 503)
        #expect(refused.json["error"]?["what"]?.stringValue?.contains("live traffic is served") == true)
        // Nothing listens at the variants' addresses: an answer of the gateway for this route shows that it knows it.
        let served = try await second.send("GET", second.gateway + "/fraud")
        #expect(served.headers["X-OpenClaw-Route"] == "fraud")
        // It comes back by itself when the database does.
        #expect(unsafe rmdir("\(first.home)/ledger.db") == 0)
        #expect(unsafe rename("\(first.home)/kept.db", "\(first.home)/ledger.db") == 0)
        #expect(await second.daemon.whenOpen())
        #expect(try await second.text(second.control + "/readyz").status == 200)
        #expect(try await second.call("GET", "/api/v1/routes/fraud").status == 200)
    }

    @Test func `an older ledger does not undo what is served`() async throws {
        let house = try await DaemonHouse()
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        await house.daemon.drain()
        // As if the ledger had been taken back to a copy from before the last changes of routes.
        var table = try #require(try RoutingTable.read(from: "\(house.home)/routes.json"))
        table.position += 100
        try table.write(to: "\(house.home)/routes.json")
        let second = try await DaemonHouse(after: house)
        defer { Task { await second.daemon.drain() } }
        let refused = try await second.call("GET", "/api/v1/routes")
        #expect(refused.status == 503)
        #expect(refused.json["error"]?["why"]?.stringValue?.contains("older than the routing table") == true)
        #expect(try await second.send("GET", second.gateway + "/fraud").headers["X-OpenClaw-Route"] == "fraud")
    }

    @Test func `metrics say how live traffic, the ledger and the process stand`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let page = try await house.text(house.control + "/metrics")
        #expect(page.status == 200)
        for family in ["openclaw_ready 1", "openclaw_ledger_entries", "process_resident_memory_bytes"] {
            #expect(page.text.contains(family))
        }
    }
}

struct EventRoutesTests {
    /// Reads events until `count` of them carry an id.
    private func ids(_ chunks: AsyncStream<[UInt8]>, count: Int) async -> [String] {
        var parser = ServerSentEventParser()
        var ids: [String] = []
        for await chunk in chunks {
            ids += parser.receive(chunk).compactMap(\.id)
            if ids.count >= count { break }
        }
        return ids
    }

    @Test func `the ledger is sent live, and a reader that comes back misses nothing and sees nothing twice`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        let first = try await ids(house.events("/api/v1/events?after=-1"), count: 1)
        #expect(first.first == "0")
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        _ = try await house.call("PUT", "/api/v1/routes/fraud/split", ["shares": ["v11": 0.5, "v12": 0.5]])
        let rest = try await ids(house.events("/api/v1/events", headers: [("Last-Event-ID", "0")]), count: 2)
        #expect(rest.prefix(2) == ["1", "2"])
    }

    @Test func `a place that is no place is refused`() async throws {
        let house = try await DaemonHouse()
        defer { Task { await house.daemon.drain() } }
        #expect(try await house.call("GET", "/api/v1/events?after=x").status == 400)
        #expect(try await house.call("GET", "/api/v1/events?after=-2").status == 400)
    }
}
