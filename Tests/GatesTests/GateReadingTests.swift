import Faults
import JSON
import Releases
import Testing
import YAML

@Suite struct GateReadingTests {
    private func gates(_ text: String) throws -> [Gate] {
        let node = try YAMLNode.documents(in: text, file: "release.yaml")[0]
        return try Gate.gates(try node.mapping("file").required("gates"))
    }

    private func fault(_ text: String) -> Fault? {
        do {
            _ = try gates(text)
            return nil
        } catch { return error as? Fault }
    }

    @Test func `the design's file reads verbatim, half a percent as 0.005`() throws {
        let read = try gates("gates:\n  max_p95_latency_ms: 250\n  max_error_rate: 0.5\n  min_quality_score: 0.92\n")
        #expect(
            read == [
                Gate(.p95Latency, limit: 250, line: 2), Gate(.errorRate, limit: 0.005, line: 3),
                Gate(.quality, limit: 0.92, line: 4),
            ])
        #expect(read.map(\.unit) == ["ms", "fraction", "score"])
    }

    @Test(arguments: [
        ("max_error_rate: 0.5%", 0.005), ("max_error_rate: 1 %", 0.01), ("max_error_rate: 1", 0.01),
        ("max_p99_latency_ms: 1.5s", 1_500),
        ("max_p50_latency_ms: 40ms", 40), ("min_quality_score: 92%", 0.92), ("min_canary_coverage: 5%", 0.05),
        ("min_canary_coverage: 0.05", 0.05), ("min_canary_coverage: 1", 1), ("max_error_rate_increase: 2x", 2),
        ("max_error_rate_increase: 2", 2), ("max_error_rate_increase: 50%", 1.5), ("max_p95_increase: 10%", 1.1),
        ("max_p95_increase: 1.1x", 1.1), ("max_p95_increase: 1.1", 1.1),
    ])
    func `a limit may be written the ways its unit is written`(line: String, limit: Double) throws {
        let read = try gates("gates:\n  \(line)\n")
        #expect(read.count == 1)
        #expect(abs(read[0].limit - limit) < 1e-12)
    }

    @Test func `an unknown gate is refused with its line and the closest known one`() throws {
        let refusal = try #require(fault("gates:\n  max_p95_latency_ms: 250\n  max_eror_rate: 0.5\n"))
        #expect(refusal.kind == .badConfiguration)
        #expect(refusal.what == "max_eror_rate is not a gate")
        #expect(
            refusal.why == "release.yaml line 3; gates are read strictly, so that a typing error cannot switch one off")
        #expect(refusal.fix == "did you mean max_error_rate? `openclaw release gates` lists them all")
    }

    @Test(arguments: [
        "max_error_rate: 0", "max_error_rate: 100%", "max_error_rate: -1", "max_error_rate: .nan", "max_error_rate: 250",
        "max_p95_latency_ms: 0", "max_p95_latency_ms: -5", "max_p95_latency_ms: 2h", "max_p95_latency_ms: fast",
        "min_quality_score: 1", "min_quality_score: 92", "min_quality_score: 0", "min_canary_coverage: 101%",
        "max_error_rate_increase: 1x", "max_error_rate_increase: 0.1", "max_p95_increase: 0%", "max_p95_increase: much",
        "max_p95_increase: [1, 2]", "max_error_rate:",
    ])
    func `a limit out of its range is refused with its line`(line: String) throws {
        let refusal = try #require(fault("gates:\n  \(line)\n"))
        #expect(refusal.kind == .badConfiguration)
        #expect(refusal.why.contains("release.yaml line 2"))
        #expect(!refusal.fix.isEmpty)
    }

    @Test func `the catalogue names every gate`() throws {
        let rows = try #require(Gate.catalogue.arrayValue)
        #expect(rows.compactMap { $0["name"]?.stringValue } == Gate.Measure.allCases.map(\.rawValue))
        for row in rows {
            #expect(["at most", "at least"].contains(row["direction"]?.stringValue))
            let line = "\(row["name"]?.stringValue ?? ""): \(row["example"]?.stringValue ?? "")"
            #expect(try gates("gates:\n  \(line)\n").count == 1)
        }
    }
}
