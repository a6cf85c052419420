import Experiments
import Statistics

extension ExperimentScenario {
    /// What `make validate` promises of experiments: looked at all the time (whenever 3 % more units have come), stopped at the
    /// first verdict.
    static var all: [ExperimentScenario] { shares + values + quantiles + adaptive + winners + times }

    private static let even = ExperimentSimulation.Sharing.fixed([5_000, 5_000])
    private static let tenth = ExperimentSimulation.Sharing.fixed([9_000, 1_000])
    /// Nine in ten to whoever leads, after every 50 units: the most that shares can follow outcomes.
    private static let leader = ExperimentSimulation.Sharing.leader(floor: 1_000, every: 50)
    private static let thompson = ExperimentSimulation.Sharing.bandit(
        Allocation(strategy: .thompson, floor: 500, warmUp: 50, reweightEvery: 4_000))

    private static func metric(_ kind: Metric.Kind, effect: Double? = nil, quantile: Double? = nil) -> Metric {
        Metric(name: "m", kind: kind, minimumEffect: effect, quantile: quantile)
    }

    /// Both variants alike.
    private static func same(
        _ name: String, _ metric: Metric, _ shape: SyntheticUsers.Shape, _ figure: Double, units: Int,
        _ sharing: ExperimentSimulation.Sharing = even, visits: SyntheticUsers.Visits = .once, delay: Double = 0,
        covariate: Double? = nil, lookEvery: Double = 0.03
    ) -> ExperimentScenario {
        let users = SyntheticUsers(shape: shape, figures: [figure, figure], visits: visits, delay: delay, covariate: covariate)
        return ExperimentScenario(
            name: "A/A \(name)",
            simulation: ExperimentSimulation(metric: metric, users: users, sharing: sharing, visits: units, lookEvery: lookEvery),
            question: .falseAlarms)
    }

    private static var shares: [ExperimentScenario] {
        [
            same("binary 30 %", metric(.binary), .binary, 0.3, units: 5_000),
            same("binary 30 %, small: 500 units", metric(.binary, effect: 0.2), .binary, 0.3, units: 500),
            same("binary 0.5 %", metric(.binary), .binary, 0.005, units: 10_000),
            same("binary 0.1 %", metric(.binary), .binary, 0.001, units: 12_000),
            same("binary 0.5 %, shares 90/10", metric(.binary), .binary, 0.005, units: 10_000, tenth),
            same("binary 5 %, late hits", metric(.binary), .binary, 0.05, units: 5_000, delay: 500),
            same("binary 10 %, 2 000 sticky users", metric(.binary), .binary, 0.1, units: 5_000, visits: .again(count: 2_000)),
            same("binary 10 %, 200 sticky, 90/10", metric(.binary), .binary, 0.1, units: 5_000, tenth, visits: .again(count: 200)),
        ]
    }

    private static var values: [ExperimentScenario] {
        let count = SyntheticUsers.Shape.count(dispersion: 1)
        return [
            same("count 0.2", metric(.count), count, 0.2, units: 5_000),
            same("count 0.2, one in a hundred has all", metric(.count), .count(dispersion: 20), 0.2, units: 8_000, tenth),
            same("count 0.2, 1 000 sticky users", metric(.count), count, 0.2, units: 6_000, visits: .again(count: 1_000)),
            same("mean, normal, small: 300 units", metric(.mean, effect: 1), .normal(deviation: 1), 0, units: 300),
            same("mean, CUPED", metric(.mean, effect: 0.1), .normal(deviation: 1), 5, units: 3_000, covariate: 0.5),
            same("mean, log-normal, sigma 2", metric(.mean), .logNormal(sigma: 2), 1, units: 6_000),
            same("mean, log-normal, 90/10", metric(.mean), .logNormal(sigma: 2), 1, units: 6_000, tenth),
            same("mean, Pareto, tail 2.1", metric(.mean), .pareto(tail: 2.1), 1, units: 6_000),
            same(
                "mean, log-normal, 500 sticky users", metric(.mean), .logNormal(sigma: 1), 1, units: 5_000,
                visits: .again(count: 500)),
            same("mean, late", metric(.mean), .logNormal(sigma: 1), 1, units: 4_000, delay: 500),
            same("ratio", metric(.ratio), .ratio, 2, units: 5_000),
            same("ratio, 500 sticky users", metric(.ratio), .ratio, 2, units: 5_000, visits: .again(count: 500)),
        ]
    }

    private static var quantiles: [ExperimentScenario] {
        let latency = SyntheticUsers.Shape.logNormal(sigma: 1)
        return [
            same("median", metric(.quantile, quantile: 0.5), latency, 100, units: 2_000, lookEvery: 0.04),
            same("p95", metric(.quantile, quantile: 0.95), latency, 100, units: 4_000, lookEvery: 0.04),
            same(
                "p90, 500 sticky users", metric(.quantile, quantile: 0.9), latency, 100, units: 4_000, visits: .again(count: 500),
                lookEvery: 0.04),
        ]
    }

    private static var adaptive: [ExperimentScenario] {
        [
            same("binary 30 %, Thompson", metric(.binary), .binary, 0.3, units: 4_000, thompson),
            same("binary 0.5 %, Thompson", metric(.binary), .binary, 0.005, units: 5_000, thompson),
            same("binary 5 %, late hits, Thompson", metric(.binary), .binary, 0.05, units: 4_000, thompson, delay: 500),
            same(
                "binary 10 %, 200 sticky, leader takes 90 %", metric(.binary), .binary, 0.1, units: 4_000, leader,
                visits: .again(count: 200)),
            same("count, Thompson", metric(.count), .count(dispersion: 1), 0.2, units: 3_000, thompson),
            same("count, one in a hundred, leader 90 %", metric(.count), .count(dispersion: 20), 0.2, units: 6_000, leader),
            same("mean, log-normal, Thompson", metric(.mean), .logNormal(sigma: 2), 1, units: 3_000, thompson),
            same("mean, log-normal, leader takes 90 %", metric(.mean), .logNormal(sigma: 2), 1, units: 5_000, leader),
            same("ratio, leader takes 90 %", metric(.ratio), .ratio, 2, units: 4_000, leader),
            same(
                "p90, leader takes 90 %", metric(.quantile, quantile: 0.9), .logNormal(sigma: 1), 100, units: 2_000, leader,
                lookEvery: 0.04),
            // Of three, the shares of the two others are the last known ones when feedback comes.
            different(
                "A/A binary 5 %, three variants, late hits, leader takes 80 %", metric(.binary), .binary, [0.05, 0.05, 0.05],
                units: 4_000, leader, delay: 500, asks: .falseAlarms),
            different(
                "A/A mean, three variants, late, leader takes 80 %", metric(.mean), .logNormal(sigma: 1), [1, 1, 1],
                units: 3_000, leader, delay: 500, asks: .falseAlarms),
        ]
    }

    /// A variant that is better by exactly what matters, found or at least never taken for the worse one.
    private static func different(
        _ name: String, _ metric: Metric, _ shape: SyntheticUsers.Shape, _ figures: [Double], units: Int,
        _ sharing: ExperimentSimulation.Sharing = even, visits: SyntheticUsers.Visits = .once, delay: Double = 0,
        covariate: Double? = nil, asks question: Question
    ) -> ExperimentScenario {
        let users = SyntheticUsers(shape: shape, figures: figures, visits: visits, delay: delay, covariate: covariate)
        return ExperimentScenario(
            name: name,
            simulation: ExperimentSimulation(metric: metric, users: users, sharing: sharing, visits: units, lookEvery: 0.03),
            question: question)
    }

    private static var winners: [ExperimentScenario] {
        [
            different(
                "10 % against 15 %, delta 5 points", metric(.binary, effect: 0.05), .binary, [0.1, 0.15], units: 6_000,
                asks: .wrongWinners(promise: 0.025)),
            different(
                "10 % against 15 %, Thompson", metric(.binary, effect: 0.05), .binary, [0.1, 0.15], units: 4_000, thompson,
                asks: .wrongWinners(promise: 0.025)),
            different(
                "10, 10 and 15 %, leader takes 80 %", metric(.binary, effect: 0.05), .binary, [0.1, 0.1, 0.15], units: 3_000,
                leader,
                asks: .wrongWinners(promise: 0.05)),
            different(
                "mean +0.2 deviations, 500 sticky users", metric(.mean, effect: 0.2), .normal(deviation: 1), [0, 0.2],
                units: 3_000, visits: .again(count: 500), asks: .wrongWinners(promise: 0.025)),
        ]
    }

    /// Of Wald's bound. Among two-sided tests of an unknown effect that may be looked at any time the best normal mixture takes
    /// 1.85 in the median, and the one that is used here 1.99 (docs/analysis.md); looks that are 3 % apart and the rates of both
    /// variants, which nobody knows, take the rest.
    private static let decided = 2.3

    /// Power at the sample size that `plan` names, and time to decision.
    private static var times: [ExperimentScenario] {
        let alpha = 0.05
        let (control, better) = (0.1, 0.12)
        let variances = (treated: better * (1 - better), control: control * (1 - control))
        let planned = SampleSize.sequential(effect: 0.02, variances: variances, alpha: alpha, power: 0.8) ?? 0
        let once = 2 * SampleSize.fixed(effect: 0.02, variances: variances, alpha: alpha, power: 0.8)
        // One unit tells by its own variant's rate against the rate of both.
        let middle = (control + better) / 2
        let information = (Wald.divergence(better, from: middle) + Wald.divergence(control, from: middle)) / 2
        let wald = Wald.samples(information: information, alpha: alpha, beta: 0.2)
        let meanOnce = 2 * SampleSize.fixed(effect: 0.1, variances: (1, 1), alpha: alpha, power: 0.8)
        // Two normal means half an effect from their middle: delta^2 / 8 a unit.
        let meanWald = Wald.samples(information: 0.1 * 0.1 / 8, alpha: alpha, beta: 0.2)
        let meanPlanned = SampleSize.sequential(effect: 0.1, variances: (treated: 1, control: 1), alpha: alpha, power: 0.8) ?? 0
        return [
            different(
                "10 % against 12 % at the planned \(Int(planned)) units", metric(.binary, effect: 0.02), .binary,
                [control, better],
                units: Int(planned), asks: .power(atLeast: 0.8)),
            different(
                "mean +0.1 at the planned \(Int(meanPlanned)) units", metric(.mean, effect: 0.1), .normal(deviation: 1), [0, 0.1],
                units: Int(meanPlanned), asks: .power(atLeast: 0.8)),
            different(
                "10 % against 12 %", metric(.binary, effect: 0.02), .binary, [control, better], units: 30_000,
                asks: .decision(wald: wald, textbook: once, promise: decided)),
            different(
                "10 % against 12 %, nothing planned", metric(.binary), .binary, [control, better], units: 30_000,
                asks: .decision(wald: wald, textbook: once, promise: decided)),
            different(
                "mean +0.1 deviations", metric(.mean, effect: 0.1), .normal(deviation: 1), [0, 0.1], units: 16_000,
                asks: .decision(wald: meanWald, textbook: meanOnce, promise: decided)),
            different(
                "mean +0.1 deviations, CUPED of half", metric(.mean, effect: 0.1), .normal(deviation: 1), [0, 0.1], units: 10_000,
                covariate: 0.5, asks: .decision(wald: meanWald / 2, textbook: meanOnce / 2, promise: decided)),
        ]
    }
}
