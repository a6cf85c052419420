import Faults
import Glibc
import JSON
import Routing
import Statistics
import TestFolders
import Testing

typealias Folder = TemporaryFolder

func bytes(of path: String) -> [UInt8] { TemporaryFolder.bytes(of: path) }

func write(_ bytes: [UInt8], to path: String) { TemporaryFolder.write(bytes, to: path) }

struct RoutingTableTests {
    static func table(position: Int64) -> RoutingTable {
        let variants = [
            Variant(id: VariantID(0), name: "v11", url: "http://127.0.0.1:1/x"),
            Variant(
                id: VariantID(1), name: "v12", url: "http://127.0.0.1:2/x", version: "m@v12",
                rewrite: Rewrite(json: ["/model": "m", "/n": 0.5, "/k": nil], headers: ["X-A": "é"])),
        ]
        let route = Route(
            id: RouteID(1), name: "fraud", match: RouteMatch(host: "h", path: "/fraud"), unit: .json(pointer: "/user"),
            variants: variants, timeouts: RouteTimeouts(),
            split: TrafficSplit(route: "fraud", shares: [VariantID(0): 9_000, VariantID(1): 1_000]))
        return RoutingTable(position: position, routes: [route])
    }

    @Test func `a table is read as it was written, and replaces the one before`() throws {
        let folder = Folder()
        let path = folder.path + "/table"
        #expect(try RoutingTable.read(from: path) == nil)
        for position in [3, 4] as [Int64] {
            try RoutingTableTests.table(position: position).write(to: path)
            #expect(try RoutingTable.read(from: path) == RoutingTableTests.table(position: position))
        }
        #expect(bytes(of: path).count < 4_000)
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `a torn or altered table is a fault, never a part of a table`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let folder = Folder()
        let path = folder.path + "/table"
        try RoutingTableTests.table(position: 7).write(to: path)
        var damaged = bytes(of: path)
        if seed % 2 == 0 {
            damaged.removeLast(Int.random(in: 1...damaged.count, using: &random))
        } else {
            damaged[Int.random(in: damaged.indices, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
        }
        write(damaged, to: path)
        #expect(throws: Fault.self) { try RoutingTable.read(from: path) }
    }

    @Test func `a folder that cannot be written is a fault with the reason`() {
        #expect {
            try RoutingTableTests.table(position: 1).write(to: "/nonexistent/folder/table")
        } throws: {
            ($0 as? Fault)?.kind == .unavailable && ($0 as? Fault)?.why.contains("open failed") == true
        }
    }
}
