import Glibc

/// Quantiles of two variants without a density: a claim is judged by the two shares below the two places it names, at the place
/// that suits it best (a profile likelihood), and the studentised result goes through a normal mixture. Both shares are judged
/// about `q`, which the claim knows, so that few samples are not taken for many.
public struct QuantileComparison: Comparison, Sendable {
    public let q: Double
    public let treated: EmpiricalDistribution
    public let control: EmpiricalDistribution
    public let mixture: NormalMixture
    public let figure: Double
    public let controlFigure: Double

    public init(
        _ q: Double, treated: EmpiricalDistribution, control: EmpiricalDistribution,
        plannedUnits: Double = Tightness.unitsUsual, alpha: Double
    ) {
        precondition(q > 0 && q < 1, "a quantile lies within 0 and 1")
        (self.q, self.treated, self.control) = (q, treated, control)
        mixture = NormalMixture(tightestAt: plannedUnits, alpha: alpha)
        (figure, controlFigure) = (treated.quantile(q) ?? 0, control.quantile(q) ?? 0)
    }

    /// Observations in equal halves that would say as much.
    public var information: Double { Tightness.information(treated.effective, control.effective) }

    /// From the places of the quantiles one standard error of the share apart.
    public var standardError: Double {
        guard treated.effective > 1, control.effective > 1 else { return .infinity }
        let (own, other) = (treated.standardError(of: q), control.standardError(of: q))
        let error = (own * own + other * other).squareRoot()
        return error > 0 ? error : max(abs(controlFigure), abs(figure), 1e-9) * 1e-6
    }

    public func logWealth(against line: Line) -> Double {
        mixture.logWealth(sum: (deviance(against: line) * information).squareRoot(), variance: information)
    }

    /// The least, over places of control's quantile, of what speaks against both: chi-square with one degree of freedom.
    public func deviance(against line: Line) -> Double {
        guard treated.effective > 1, control.effective > 1, line.slope != 0 else { return 0 }
        let claimed = (figure - line.offset) / line.slope
        let (from, to) = (min(claimed, controlFigure), max(claimed, controlFigure))
        guard from < to else { return 0 }
        func against(_ place: Double) -> Double {
            treated.deviance(of: q, at: line.offset + line.slope * place) + control.deviance(of: q, at: place)
        }
        // A grid in shares of each variant, because values may lie anywhere, then a finer one around the best.
        let ends = (control.share(at: from).below, control.share(at: to).atMost)
        let ownEnds = (
            treated.share(at: line.offset + line.slope * from).below, treated.share(at: line.offset + line.slope * to).atMost
        )
        let steps = 12
        var places = [from, to]
        for step in 0...steps {
            let part = Double(step) / Double(steps)
            if let place = control.quantile(ends.0 + part * (ends.1 - ends.0)) { places.append(place) }
            if let own = treated.quantile(ownEnds.0 + part * (ownEnds.1 - ownEnds.0)) {
                places.append((own - line.offset) / line.slope)
            }
        }
        places = places.filter { $0 >= from && $0 <= to }.sorted()
        let heights = places.map(against)
        guard let best = heights.indices.min(by: { heights[$0] < heights[$1] }) else { return 0 }
        let (low, high) = (places[max(0, best - 1)], places[min(places.count - 1, best + 1)])
        return (0...16).reduce(heights[best]) { min($0, against(low + (high - low) * Double($1) / 16)) }
    }
}
