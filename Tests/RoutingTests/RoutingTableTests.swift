import Faults
import Glibc
import JSON
import Routing
import Statistics
import Testing

/// A fresh folder that is removed at the end.
final class Folder {
    let path: String
    init() {
        var template = Array("/tmp/openclaw-routing-XXXXXX".utf8CString)
        path = unsafe template.withUnsafeMutableBufferPointer { unsafe String(cString: mkdtemp($0.baseAddress!)) }
    }
    deinit {
        // Flat: tests make no folder inside.
        if let folder = unsafe opendir(path) {
            while let entry = unsafe readdir(folder) {
                let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                    unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                }
                if name != ".", name != ".." { _ = unsafe unlink("\(path)/\(name)") }
            }
            unsafe closedir(folder)
        }
        _ = unsafe rmdir(path)
    }
}

func bytes(of path: String) -> [UInt8] {
    let file = unsafe fopen(path, "r")!
    defer { unsafe fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe fread($0.baseAddress!, 1, $0.count, file) }
    return Array(bytes[..<count])
}

func write(_ bytes: [UInt8], to path: String) {
    let file = unsafe fopen(path, "w")!
    defer { unsafe fclose(file) }
    _ = unsafe bytes.withUnsafeBytes { unsafe fwrite($0.baseAddress, 1, $0.count, file) }
}

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
