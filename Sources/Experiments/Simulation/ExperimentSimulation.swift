import Glibc
import Statistics

/// Whole experiments on synthetic users, decided by the product's own analysis and, where shares move, by its own allocation.
public struct ExperimentSimulation: Equatable, Sendable {
    /// How shares are set.
    public enum Sharing: Equatable, Sendable {
        /// Basis points, control first.
        case fixed([Int])
        /// All but the floor (basis points) to whoever leads, anew every so many visits: the most an allocation can follow outcomes.
        case leader(floor: Int, every: Int)
        /// The product's bandits, a visit being 10 ms.
        case bandit(Allocation)
    }

    public var metric: Metric
    public var users: SyntheticUsers
    public var sharing: Sharing
    public var alpha: Double
    /// Visits after which it ends undecided.
    public var visits: Int
    /// After the first look another one follows whenever this share more has come (0.02: two percent).
    public var lookEvery: Double

    public init(
        metric: Metric, users: SyntheticUsers, sharing: Sharing, alpha: Double = 0.05, visits: Int, lookEvery: Double = 0.02
    ) {
        (self.metric, self.users, self.sharing) = (metric, users, sharing)
        (self.alpha, self.visits, self.lookEvery) = (alpha, visits, lookEvery)
    }

    public var arms: Int { users.figures.count }

    /// How one experiment went.
    public struct Run: Equatable, Sendable {
        public var outcome = ExperimentVerdict.Outcome.undecided
        /// The variant that was called better; control where all others were called worse.
        public var winner: Int?
        /// Any variant was called different from control.
        public var differs = false
        public var visits = 0
        /// What was lost against showing the best variant to everybody, in the metric's own unit.
        public var regret = 0.0
        /// Of a look once at the end: whether the textbook test would have called a difference. Only when asked for.
        public var fixedDiffers: Bool?
    }

    /// One experiment, looked at all the time and stopped at its first verdict. `isWhole`: it goes on to the end all the same, so
    /// that regret and the textbook test are those of the whole.
    public func run(seed: UInt64, isWhole: Bool = false) -> Run {
        var world = SimulatedTraffic(self, seed: seed)
        var run = Run()
        var isDecided = false
        var nextLook = 20
        for visit in 1...visits {
            world.visit()
            guard visit >= nextLook || visit == visits, !isDecided else { continue }
            nextLook = visit + max(1, Int(Double(visit) * lookEvery))
            if let (outcome, winner) = verdict(on: world.evidence) {
                (run.outcome, run.winner, run.visits, isDecided) = (outcome, winner, visit, true)
                run.differs = outcome != .equivalent
                if !isWhole { break }
            }
        }
        if !isDecided { run.visits = visits }
        run.regret = world.regret
        if isWhole { run.fixedDiffers = world.evidence.fixed(of: 1, alpha: alpha).map { $0.pValue < alpha } }
        return run
    }

    /// As the analysis of an experiment says it: alpha divided over the variants.
    private func verdict(on evidence: MetricEvidence) -> (ExperimentVerdict.Outcome, Int?)? {
        let standings = (1..<arms).map { evidence.standing(of: $0, alpha: alpha / Double(arms - 1)) }
        let better = standings.indices.filter { standings[$0] == .better }.map { $0 + 1 }
        if !better.isEmpty {
            let sign: Double = metric.direction == .up ? 1 : -1
            return (.better, better.max { sign * (evidence.figure(of: $0) ?? 0) < sign * (evidence.figure(of: $1) ?? 0) })
        }
        if standings.allSatisfy({ $0 == .worse }) { return (.worse, 0) }
        if standings.allSatisfy({ $0 == .worse || $0 == .equivalent }) { return (.equivalent, nil) }
        return nil
    }
}

/// One experiment's traffic under way.
struct SimulatedTraffic {
    private struct Pending {
        var due: Int
        var unit: UInt64
        var arm: Int
        var propensity: Int
        var value: Double
        var denominator: Double?
    }

    let simulation: ExperimentSimulation
    private(set) var evidence: MetricEvidence
    private(set) var regret = 0.0
    private var stream: SyntheticStream
    private var shares: [Int]
    private var seen: Set<UInt64> = []
    private var pending: [Pending] = []
    private var visits = 0
    private var sums: [Double]
    private var counts: [Double]
    private var bandit: Bandit?
    /// Milliseconds between two visits.
    private static let pace: Int64 = 10

    init(_ simulation: ExperimentSimulation, seed: UInt64) {
        self.simulation = simulation
        let arms = simulation.arms
        switch simulation.sharing {
        case .fixed(let fixed): shares = fixed
        case .leader, .bandit: shares = (0..<arms).map { 10_000 * ($0 + 1) / arms - 10_000 * $0 / arms }
        }
        if case .bandit(let allocation) = simulation.sharing {
            bandit = Bandit(allocation, arms: arms, seed: seed, initial: shares)
        }
        evidence = MetricEvidence(simulation.metric, arms: arms, shares: shares)
        stream = SyntheticStream(simulation.users, seed: seed)
        (sums, counts) = (Array(repeating: 0, count: arms), Array(repeating: 0, count: arms))
    }

    mutating func visit() {
        visits += 1
        let (unit, place) = stream.next()
        let arm = self.arm(at: place)
        let propensity = shares[arm]
        let (value, denominator, covariate) = stream.value(of: unit, arm: arm)
        let isNew = simulation.users.visits == .once || seen.insert(unit ^ UInt64(arm) << 60).inserted
        if isNew { evidence.expose(unit: unit, arm: arm, propensity: propensity, covariate: covariate) }
        lose(arm)
        let wait = stream.wait(for: value)
        let late = Pending(
            due: visits + wait, unit: unit, arm: arm, propensity: propensity, value: value, denominator: denominator)
        if wait == 0 { hear(late) } else { pending.append(late) }
        if visits.isMultiple(of: 50) { hearDue() }
        move()
    }

    private func arm(at place: Double) -> Int {
        var left = Int(place * 10_000)
        for (arm, share) in shares.enumerated() {
            left -= share
            if left < 0 { return arm }
        }
        return shares.count - 1
    }

    private mutating func lose(_ arm: Int) {
        let figures = simulation.users.figures
        let isUp = simulation.metric.direction == .up
        let best = (isUp ? figures.max() : figures.min()) ?? 0
        regret += abs(best - figures[arm])
    }

    private mutating func hear(_ late: Pending) {
        evidence.observe(
            unit: late.unit, arm: late.arm, propensity: late.propensity, value: late.value, denominator: late.denominator)
        let isUp = simulation.metric.direction == .up
        let reward = isUp ? late.value : simulation.metric.kind == .binary ? 1 - late.value : -late.value
        bandit?.reward(arm: late.arm, value: reward, at: Int64(visits) * Self.pace)
        sums[late.arm] += late.value
        counts[late.arm] += 1
    }

    private mutating func hearDue() {
        guard !pending.isEmpty else { return }
        for late in pending where late.due <= visits { hear(late) }
        pending.removeAll { $0.due <= visits }
    }

    private mutating func move() {
        switch simulation.sharing {
        case .fixed: return
        case .bandit(let allocation):
            let now = Int64(visits) * Self.pace
            guard let bandit, now % max(Self.pace, allocation.reweightEvery) < Self.pace else { return }
            shares = bandit.shares(at: now)
        case .leader(let floor, let every):
            guard visits.isMultiple(of: every), counts.allSatisfy({ $0 > 0 }) else { return }
            let means = zip(sums, counts).map { $0 / $1 }
            let sign: Double = simulation.metric.direction == .up ? 1 : -1
            let leader = means.indices.max { sign * means[$0] < sign * means[$1] } ?? 0
            shares = means.indices.map { $0 == leader ? 10_000 - floor * (means.count - 1) : floor }
        }
    }
}
