import Glibc
public import JSON
import Statistics
import Synchronization

/// What many simulated experiments came to.
public struct SimulationSummary: Equatable, Sendable {
    public var metric: String
    public var alpha: Double
    public var seed: UInt64
    public var visits: Int
    public var runs: Int
    public var hasEffect: Bool
    /// The best variant was named; where control is the best, that all others are worse.
    public var power: Double
    /// Without any effect: a difference was called.
    public var falseAlarms: Double
    public var wrongWinner: Double
    public var equivalent: Double
    public var undecided: Double
    /// Undecided ones count as infinite; nil when that is most of them.
    public var medianVisits: Int?
    public var fixedDiffers: Double
    public var regret: Double

    public init(of runs: [ExperimentSimulation.Run], _ simulation: ExperimentSimulation, seed: UInt64) {
        let figures = simulation.users.figures
        let isUp = simulation.metric.direction == .up
        let best = (isUp ? figures.max() : figures.min()) ?? 0
        func share(_ isSo: (ExperimentSimulation.Run) -> Bool) -> Double {
            Double(runs.count(where: isSo)) / Double(max(1, runs.count))
        }
        (metric, alpha, self.seed) = (simulation.metric.kind.rawValue, simulation.alpha, seed)
        (visits, self.runs) = (simulation.visits, runs.count)
        let hasEffect = figures.contains { $0 != figures[0] }
        self.hasEffect = hasEffect
        power = hasEffect ? share { $0.winner.map { figures[$0] == best } ?? false } : 0
        falseAlarms = hasEffect ? 0 : share(\.differs)
        wrongWinner = hasEffect ? share { $0.winner.map { figures[$0] != best } ?? false } : share { $0.winner != nil }
        equivalent = share { $0.outcome == .equivalent }
        undecided = share { $0.outcome == .undecided }
        let sorted = runs.map { $0.outcome == .undecided ? Int.max : $0.visits }.sorted()
        medianVisits = sorted.isEmpty || sorted[sorted.count / 2] == .max ? nil : sorted[sorted.count / 2]
        fixedDiffers = share { $0.fixedDiffers == true }
        regret = runs.reduce(0) { $0 + $1.regret } / Double(max(1, runs.count))
    }

    /// Runs them on all cores; the figures depend on the seed and the number of runs alone. `progress` hears about every tenth part.
    public static func of(
        _ simulation: ExperimentSimulation, runs: Int, seed: UInt64, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async -> SimulationSummary {
        let done = Atomic(0)
        let all = await simulation.runs(runs, seed: seed, isWhole: true) {
            let count = done.add(1, ordering: .relaxed).newValue
            if count.isMultiple(of: max(1, runs / 10)) { progress(count) }
        }
        return SimulationSummary(of: all, simulation, seed: seed)
    }

    public var json: JSONValue {
        [
            "metric": .string(metric), "alpha": .number(alpha), "seed": .string(String(seed)), "units": .integer(Int64(visits)),
            "runs": .integer(Int64(runs)), "power": hasEffect ? .number(power) : .null,
            "type_1_error": hasEffect ? .null : .number(falseAlarms), "wrong_winner": .number(wrongWinner),
            "equivalent": .number(equivalent), "undecided": .number(undecided),
            "median_units_to_decision": medianVisits.map { .integer(Int64($0)) } ?? .null,
            "fixed_horizon_differs": .number(fixedDiffers), "regret": .number(regret),
        ]
    }
}

extension ExperimentSimulation {
    /// Many runs on all cores, in the order of their numbers.
    public func runs(
        _ count: Int, seed: UInt64, isWhole: Bool = false, after: @escaping @Sendable () -> Void = {}
    ) async -> [Run] {
        let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        // Mixed, because seeds that differ by a step of the generator would give the same numbers, shifted.
        func runSeed(_ number: Int) -> UInt64 {
            var mixer = SplitMix64(seed: seed &* 0xd134_2543_de82_ef95 &+ UInt64(number))
            return mixer.next() ^ (mixer.next() << 1)
        }
        let seeds = (0..<count).map(runSeed)
        return await withTaskGroup(of: [(Int, Run)].self) { group in
            for core in 0..<cores {
                group.addTask {
                    stride(from: core, to: count, by: cores).map { number in
                        defer { after() }
                        return (number, self.run(seed: seeds[number], isWhole: isWhole))
                    }
                }
            }
            var all: [(Int, Run)] = []
            for await part in group { all += part }
            return all.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
