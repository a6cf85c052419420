import AllocationCounter
import Gateway
import Glibc
import HTTP
import Outcomes
import Routing

// Whether the assignment path allocates: 100 000 requests are parsed, matched, hashed and split, for each kind of unit that a
// head names. Means something in a release build only. Prints what it saw; exit code 1 when there was any allocation.

let requests = 100_000
let heads = (0..<64).map { user in
    Array(
        """
        POST /fraud/v1/score?trace=1 HTTP/1.1\r
        Host: models.example.com:7700\r
        User-Agent: check\r
        Accept: */*\r
        Cookie: theme=dark; sid=session-\(user)\r
        X-User-Id: user-\(user)\r
        Content-Type: application/json\r
        Content-Length: 2\r
        \r\n
        """.utf8)
}

func table(_ unit: UnitSource) -> CompiledTable {
    let variants = [("v11", 9_000), ("v12", 1_000)].enumerated().map { number, variant in
        (Variant(id: VariantID(UInt8(number)), name: variant.0, url: "http://127.0.0.1:\(9_001 + number)/infer"), variant.1)
    }
    let shares = Dictionary(uniqueKeysWithValues: variants.map { ($0.0.id, $0.1) })
    let routes = ["/chat", "/fraud", "/"].enumerated().map { number, path in
        Route(
            id: RouteID(UInt16(number)), name: "route\(number)", match: RouteMatch(path: path), unit: unit,
            variants: variants.map(\.0),
            timeouts: RouteTimeouts(), split: TrafficSplit(route: "route\(number)", shares: shares))
    }
    return CompiledTable(RoutingTable(position: 1, routes: routes))
}

/// Allocations of all requests together.
func allocations(_ unit: UnitSource) -> Int {
    let table = table(unit)
    var parser = RequestParser()
    var names = RequestNames(instance: 1, loop: 0)
    var byVariant = InlineArray<2, Int>(repeating: 0)
    let client = UnitID("127.0.0.1")
    func run(_ count: Int) {
        for index in 0..<count {
            let head = heads[index & 63]
            let bytes = head.span
            guard parser.parse(bytes, headerBytesMax: 32 << 10) == .complete,
                let assignment = table.assign(parser, in: bytes, name: names.next(), client: client)
            else { preconditionFailure("the request is not assigned") }
            byVariant[Int(assignment.variant.number)] += 1
        }
    }
    run(1_000)  // what is set up once
    let before = allocation_count()
    run(requests)
    let count = allocation_count() - before
    print("\(unit.text): \(count) allocations in \(requests) assignments, \(byVariant[0]) and \(byVariant[1]) per variant")
    return Int(count)
}

let total = [UnitSource.header("X-User-Id"), .cookie("sid"), .clientAddress, .header("X-Absent")].map(allocations).reduce(0, +)
print(#"{"allocations": \#(total)}"#)
exit(total == 0 ? 0 : 1)
