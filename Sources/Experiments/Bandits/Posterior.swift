import Statistics

/// What is believed of an arm's mean reward, given what it earned.
enum Posterior: Equatable {
    /// Of rewards that are 0 or 1.
    case beta(a: Double, b: Double)
    /// Of other rewards: Student's t around `center`, from a normal mean of unknown variance.
    case student(center: Double, scale: Double, freedom: Double)

    /// Beta from one success and one failure before the first reward.
    static func ofShares(_ evidence: ArmEvidence) -> Posterior {
        .beta(a: 1 + max(0, evidence.sum), b: 1 + max(0, evidence.weight - evidence.sum))
    }

    /// Normal-inverse-gamma. Before an arm's own rewards stands one reward of the mean and the variance of all arms together:
    /// rewards have no natural scale, and what all arms show is the only honest guess.
    static func ofMeans(_ evidence: ArmEvidence, pooled: (mean: Double, variance: Double)) -> Posterior {
        let n = max(0, evidence.weight)
        let mean = n > 0 ? evidence.sum / n : 0
        let within = max(0, evidence.squares - n * mean * mean)
        let off = mean - pooled.mean
        let freedom = 2 + n
        let spread = 2 * pooled.variance + within + n / (1 + n) * off * off
        let scale = (spread / freedom / (1 + n)).squareRoot()
        return .student(center: (pooled.mean + evidence.sum) / (1 + n), scale: scale, freedom: freedom)
    }

    var mean: Double {
        switch self {
        case .beta(let a, let b): a / (a + b)
        case .student(let center, _, _): center
        }
    }

    /// As if there were so many times the evidence.
    func sharpened(by factor: Double) -> Posterior {
        switch self {
        case .beta(let a, let b): .beta(a: a * factor, b: b * factor)
        case .student(let center, let scale, let freedom):
            .student(center: center, scale: scale / factor.squareRoot(), freedom: freedom)
        }
    }

    /// Its quantiles at (i + 1/2)/count: of shares their log odds, which compare alike and are no further apart near 0 and 1
    /// than a `Double` can tell.
    func quantiles(count: Int) -> [Double] {
        switch self {
        case .beta(let a, let b):
            // The density of y = ln(x / (1 - x)) is proportional to x^a (1-x)^b; its mode is at x = a / (a + b).
            let top = a / (a + b)
            let mode = PortableMath.log(a / b)
            let sweep = QuantileSweep(mode: mode, scale: ((a + b) / (a * b)).squareRoot()) { y in
                let grown = PortableMath.exp(y - mode)
                return a * (y - mode) - (a + b) * PortableMath.log(1 + top * (grown - 1))
            }
            return sweep.quantiles(count: count)
        case .student(let center, let scale, let freedom):
            guard scale > 0 else { return Array(repeating: center, count: count) }
            // t = sqrt(freedom) sinh(w): the density of w is proportional to cosh(w)^-freedom.
            let sweep = QuantileSweep(mode: 0, scale: (1 / freedom).squareRoot()) { w in
                let size = abs(w)
                return -freedom * (size + PortableMath.log((1 + PortableMath.exp(-2 * size)) / 2))
            }
            let stretch = scale * freedom.squareRoot()
            return sweep.quantiles(count: count).map { w in
                center + stretch * (PortableMath.exp(w) - PortableMath.exp(-w)) / 2
            }
        }
    }
}
