import Experiments
import Glibc
import JSON
import Statistics

// How long an experiment's analysis takes to be read anew as its exposures grow, and what it holds in memory: one line of JSON
// for each size. Three variants and a metric of every kind; every unit comes back once and answers each time.

let metrics = ExperimentMetrics(
    primary: Metric(name: "resolved", kind: .binary, minimumEffect: 0.02),
    guardrails: [
        Guardrail(metric: Metric(name: "latency", kind: .quantile, direction: .down, quantile: 0.95), maximumHarm: 0.1),
        Guardrail(metric: Metric(name: "cost", kind: .mean, direction: .down), maximumHarm: 0.05),
    ],
    secondary: [
        Metric(name: "clicks", kind: .count), Metric(name: "revenue", kind: .ratio, denominator: "orders"),
    ])

/// So many exposures more, from half as many units, each with a value of every metric.
func expose(_ analysis: inout ExperimentAnalysis, _ count: Int, _ random: inout SplitMix64) {
    for _ in 0..<count / 2 {
        let unit = random.next()
        let arm = Int(unit % 3)
        for _ in 0..<2 {
            analysis.expose(unit: unit, arm: arm, propensity: 3_333)
            let values = [
                ("resolved", random.unit() < 0.3 ? 1 : 0), ("latency", 50 + 400 * random.unit() * random.unit()),
                ("cost", 0.01 * random.unit()), ("clicks", Double(random.next() % 4)),
            ]
            for (name, value) in values {
                analysis.observe(metric: name, unit: unit, arm: arm, propensity: 3_333, value: value)
            }
            analysis.observe(metric: "revenue", unit: unit, arm: arm, propensity: 3_333, value: 20 * random.unit(), denominator: 1)
        }
    }
}

/// Milliseconds of one reading, as the API tells it: the middle and the longest of so many.
func reading(_ analysis: ExperimentAnalysis, times: Int = 15) -> (middle: Double, longest: Double) {
    var took: [Double] = []
    var length = 0
    for _ in 0..<times {
        let time = ContinuousClock().measure { length += analysis.verdict().json.canonicalText.utf8.count }.components
        took.append(Double(time.seconds) * 1e3 + Double(time.attoseconds) / 1e15)
    }
    precondition(length > 0)
    took.sort()
    return (took[times / 2], took[times - 1])
}

/// Megabytes that this process has in memory.
func resident() -> Double {
    guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
    defer { unsafe fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard unsafe fgets(&text, 128, file) != nil else { return 0 }
    let fields = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: " ")
    return (fields.dropFirst().first.flatMap { Double(String($0)) } ?? 0) * Double(sysconf(Int32(_SC_PAGESIZE))) / 1_048_576
}

var random = SplitMix64(seed: 20_261)
var analysis = ExperimentAnalysis(metrics: metrics, arms: ["control", "one", "other"], decision: Decision())
var exposures = 0
let atStart = resident()
for size in [10_000, 100_000, 1_000_000] {
    let fold = ContinuousClock().measure { expose(&analysis, size - exposures, &random) }.components
    let seconds = Double(fold.seconds) + Double(fold.attoseconds) / 1e18
    let time = reading(analysis)
    let line: JSONValue = [
        "exposures": .integer(Int64(size)), "refresh_ms": .number(time.middle), "longest_ms": .number(time.longest),
        "microseconds_an_exposure": .number(seconds * 1e6 / Double(size - exposures)), "megabytes": .number(resident() - atStart),
    ]
    print(line.canonicalText)
    exposures = size
}
