import AllocationCounter
import Gateway
import Glibc
import HTTP
import Outcomes
import Routing

// Whether the assignment path allocates: 100 000 requests are parsed, matched, hashed and split, for each kind of unit that a
// head names; and once more where experiments stand before the split: one in a namespace with a ramp, one that keeps its units,
// one that hashes as GrowthBook does. Means something in a release build only. Prints what it saw; exit code 1 when there was any allocation.

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

enum Layers: CaseIterable {
    case none, ramped, kept, published
}

/// Two experiments that share out a namespace.
func experiments(_ layers: Layers, _ unit: UnitSource) -> [RouteExperiment] {
    if layers == .none { return [] }
    return (0..<2).map { index in
        let arms = [VariantID(UInt8(2 + 2 * index)), VariantID(UInt8(3 + 2 * index))]
        return RouteExperiment(
            number: UInt16(index + 1), name: "experiment\(index)", unit: unit,
            audience: Audience(
                namespace: Namespace(name: "all", lower: index * 5_000, upper: index * 5_000 + 5_000), coverage: 8_000),
            variants: arms, split: TrafficSplit(route: "experiment\(index)", shares: [arms[0]: 5_000, arms[1]: 5_000]),
            hashing: layers == .published ? .growthBook(version: 2, seed: "seed") : .buckets,
            overrides: ["nobody": arms[0]], stickiness: layers == .kept ? .user : .share)
    }
}

func table(_ unit: UnitSource, _ layers: Layers, _ sticky: StickyFolder) -> CompiledTable {
    let variants = [("v11", 9_000), ("v12", 1_000)].enumerated().map { number, variant in
        (Variant(id: VariantID(UInt8(number)), name: variant.0, url: "http://127.0.0.1:\(9_001 + number)/infer"), variant.1)
    }
    let shares = Dictionary(uniqueKeysWithValues: variants.map { ($0.0.id, $0.1) })
    let experiments = experiments(layers, unit)
    let arms = experiments.flatMap { experiment in
        experiment.variants.map { id in
            Variant(id: id, name: "arm\(id.number)", url: "http://127.0.0.1:9001/infer", experiment: experiment.name)
        }
    }
    let routes = ["/chat", "/fraud", "/"].enumerated().map { number, path in
        Route(
            id: RouteID(UInt16(number)), name: "route\(number)", match: RouteMatch(path: path), unit: unit,
            variants: variants.map(\.0) + arms, timeouts: RouteTimeouts(),
            split: TrafficSplit(route: "route\(number)", shares: shares), experiments: experiments)
    }
    return CompiledTable(RoutingTable(position: 1, routes: routes), sticky: sticky)
}

/// Allocations of all requests together.
func allocations(_ unit: UnitSource, _ layers: Layers, _ sticky: StickyFolder) -> Int {
    let table = table(unit, layers, sticky)
    var parser = RequestParser()
    var names = RequestNames(instance: 1, loop: 0)
    var byVariant = InlineArray<6, Int>(repeating: 0)
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
    let taken = byVariant[2] + byVariant[3] + byVariant[4] + byVariant[5]
    print(
        "\(unit.text), experiments \(layers): \(count) allocations in \(requests) assignments, \(byVariant[0]) and \(byVariant[1]) per variant, \(taken) by experiments"
    )
    return Int(count)
}

var template = Array("/tmp/openclaw-allocations-XXXXXX".utf8CString)
guard unsafe template.withUnsafeMutableBufferPointer({ unsafe mkdtemp($0.baseAddress!) }) != nil else {
    preconditionFailure("no temporary folder")
}
let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
let sticky = StickyFolder(path: folder)
let units = [UnitSource.header("X-User-Id"), .cookie("sid"), .clientAddress, .header("X-Absent")]
var total = 0
for layers in Layers.allCases {
    // A client's address has no text that GrowthBook's hash could take.
    for unit in units where layers != .published || unit != .clientAddress { total += allocations(unit, layers, sticky) }
}
for experiment in 1...2 { sticky.remove(UInt16(experiment)) }
_ = unsafe rmdir(folder)
print(#"{"allocations": \#(total)}"#)
exit(total == 0 ? 0 : 1)
