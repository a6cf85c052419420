import Faults
import Glibc
import Testing
import Training

/// The scheduler against two peers' simulators on a real trace (msr-fiddle/philly-traces). The files stay in the shared data
/// folder; without it these tests are skipped, and say so.
@Suite(
    .enabled(if: SharedData.philly != nil, "the folder shared/data/philly beside the checkout, or $OPENCLAW_SHARED_DATA, is absent")
)
struct PhillyTests {
    static let clusters = [("2869ce", 8), ("103959", 4)]

    static func replay(_ vc: String, _ nodes: Int, _ policy: QueuePolicy, _ spread: Gang.Spread) throws -> TraceReplay {
        let folder = try #require(SharedData.philly)
        let trace = try JobTrace(csv: try SharedData.bytes("\(folder)/jobs.csv"), vc: vc, file: "jobs.csv")
        var replay = TraceReplay(trace, nodes: nodes, gpusPerNode: 8, policy: policy, spread: spread)
        replay.run()
        return replay
    }

    /// Rows by column name.
    static func rows(_ name: String) throws -> [[String: Double]] {
        let folder = try #require(SharedData.philly)
        let lines = String(decoding: try SharedData.bytes("\(folder)/\(name)"), as: UTF8.self).split(separator: "\n")
        let heading = lines[0].split(separator: ",").map(String.init)
        return lines.dropFirst().map { line in
            Dictionary(uniqueKeysWithValues: zip(heading, line.split(separator: ",").map { Double($0) ?? .nan }))
        }
    }

    @Test(arguments: clusters)
    func `strict first in, first out by count equals Tiresias, job by job`(vc: String, nodes: Int) throws {
        let replay = try Self.replay(vc, nodes, .fifo, .count)
        // Its job ids are places in the trace of the virtual cluster.
        let folder = try #require(SharedData.philly)
        let trace = try JobTrace(csv: try SharedData.bytes("\(folder)/jobs.csv"), vc: vc, file: "jobs.csv")
        let mine = Dictionary(uniqueKeysWithValues: replay.runs.map { ($0.id, $0) })
        let theirs = try Self.rows("tiresias_\(vc)_n\(nodes)_fifo.csv")
        #expect(theirs.count == replay.runs.count)
        for row in theirs {
            let run = try #require(mine[trace.jobs[Int(row["job_id"]!)].id])
            #expect(Double(run.start) == row["start_time"] && Double(run.end) == row["end_time"], "job \(run.id)")
        }
    }

    @Test(arguments: clusters)
    func `strict first in, first out with consolidation equals Helios, job by job`(vc: String, nodes: Int) throws {
        let replay = try Self.replay(vc, nodes, .fifo, .consolidate)
        let folder = try #require(SharedData.philly)
        let trace = try JobTrace(csv: try SharedData.bytes("\(folder)/jobs.csv"), vc: vc, file: "jobs.csv")
        let gpus = Dictionary(uniqueKeysWithValues: trace.jobs.map { ($0.id, $0.gpus) })
        let theirs = try Self.rows("helios_\(vc)_n\(nodes)_fifo.csv")
        let first = theirs.map { $0["submit_time"]! }.min()!
        // Its rows have no ids: as many of the same size, times and end must be in both.
        let mine = replay.runs.map { [Double(gpus[$0.id]!), Double($0.submitted), Double($0.start), Double($0.end)] }
        let peers = theirs.map { [$0["gpu_num"]!, $0["submit_time"]! - first, $0["start_time"]! - first, $0["end_time"]! - first] }
        #expect(mine.sorted { $0.lexicographicallyPrecedes($1) } == peers.sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test(arguments: clusters)
    func `shortest remaining completes jobs as early as Tiresias on average`(vc: String, nodes: Int) throws {
        let peer = try Self.rows("tiresias_\(vc)_n\(nodes)_shortest.csv").map { $0["JCT"]! }
        let runs = try Self.replay(vc, nodes, .shortestRemaining, .count).runs
        let mean = Double(runs.reduce(0) { $0 + $1.completion }) / Double(runs.count)
        #expect(mean <= peer.reduce(0, +) / Double(peer.count) + 1e-6)
    }

    @Test func `shortest remaining with consolidation completes jobs earlier than Helios on average`() throws {
        let peer = try Self.rows("helios_2869ce_n8_srtf.csv").map { $0["jct"]! }
        let runs = try Self.replay("2869ce", 8, .shortestRemaining, .consolidate).runs
        let mean = Double(runs.reduce(0) { $0 + $1.completion }) / Double(runs.count)
        #expect(mean <= peer.reduce(0, +) / Double(peer.count))
    }

    @Test(arguments: clusters)
    func `least attained service, which knows no durations, completes jobs earlier than Tiresias on average`(vc: String, nodes: Int)
        throws
    {
        let peer = try Self.rows("tiresias_\(vc)_n\(nodes)_dlas-gpu.csv").map { $0["JCT"]! }
        let runs = try Self.replay(vc, nodes, .leastAttainedService, .count).runs
        let mean = Double(runs.reduce(0) { $0 + $1.completion }) / Double(runs.count)
        #expect(mean <= peer.reduce(0, +) / Double(peer.count))
    }
}

/// Where shared data lies.
enum SharedData {
    static let philly: String? = {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let named = unsafe getenv("OPENCLAW_SHARED_DATA").map { unsafe String(cString: $0) }
        let folder = (named ?? root + "/../shared/data") + "/philly"
        return unsafe access(folder + "/jobs.csv", R_OK) == 0 ? folder : nil
    }()

    static func bytes(_ path: String) throws -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Fault(.failed, what: "\(path) cannot be opened.", why: "", fix: "") }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            if count <= 0 { return bytes }
            bytes += chunk[..<count]
        }
    }
}
