import Experiments
import Glibc
import JSON
import Statistics

// How long an experiment's analysis takes to read when it has seen a million exposures, and what it holds: one JSON line.
// A figure is the median of eleven readings; memory is what the process holds more than before the first exposure.

let exposures = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1_000_000

let metrics = ExperimentMetrics(
    primary: Metric(name: "resolved", kind: .binary, minimumEffect: 0.02, covariate: "resolved"),
    guardrails: [
        Guardrail(metric: Metric(name: "latency_ms", kind: .quantile, direction: .down, quantile: 0.95), maximumHarm: 0.1),
        Guardrail(metric: Metric(name: "cost_usd", kind: .mean, direction: .down), maximumHarm: 0.05),
    ], secondary: [Metric(name: "worth", kind: .ratio, denominator: "orders"), Metric(name: "clicks", kind: .count)])

/// The most that the process has held of memory, in bytes.
func resident() -> Int {
    var usage = rusage()
    _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1_024
}

func milliseconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) * 1_000 + Double(duration.components.attoseconds) / 1e15
}

/// Users come back: a million exposures are of some 600 000.
func fold(_ count: Int) -> ExperimentAnalysis {
    var analysis = ExperimentAnalysis(metrics: metrics, arms: ["control", "one", "two"], decision: Decision())
    var random = SplitMix64(seed: 1)
    for _ in 0..<count {
        let unit = UInt64(random.unit() * 900_000) &* 0x9e37_79b9_7f4a_7c15
        let arm = Int(unit >> 32) % 3
        analysis.expose(unit: unit, arm: arm, propensity: 3_333, covariates: ["resolved": random.unit()])
        let values = [
            ("resolved", random.unit() < 0.3 ? 1 : 0), ("latency_ms", 20 - 40 * log(random.unit() + 1e-9)),
            ("cost_usd", 0.01 * random.unit()), ("worth", random.unit() * 30), ("clicks", Double(random.next() % 3)),
        ]
        for (metric, value) in values {
            analysis.observe(metric: metric, unit: unit, arm: arm, propensity: 3_333, value: value, denominator: 1)
        }
    }
    return analysis
}

let clock = ContinuousClock()
let before = resident()
let began = clock.now
let analysis = fold(exposures)
let folding = clock.now - began
let held = resident() - before
let readings = (0..<11).map { _ in milliseconds(clock.measure { _ = analysis.verdict() }) }.sorted()
let writing = clock.now
let evidence = JSONValue(encoding: analysis).canonicalText.utf8.count
let wrote = clock.now - writing
let told: JSONValue = [
    "exposures": .integer(Int64(exposures)), "metrics": .integer(Int64(metrics.all.count)), "variants": 3,
    "refresh_ms": .number(readings[5]), "refresh_max_ms": .number(readings[10]),
    "fold_per_second": .number(Double(exposures) / milliseconds(folding) * 1_000), "memory_bytes": .integer(Int64(held)),
    "evidence_bytes": .integer(Int64(evidence)), "write_ms": .number(milliseconds(wrote)),
]
print(told.canonicalText)
