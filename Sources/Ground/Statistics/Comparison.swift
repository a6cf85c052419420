import Glibc

/// A claim about the figures of two variants: figure = offset + slope * control's figure. `Line()` claims that they are equal,
/// an offset claims a difference, a slope a ratio.
public struct Line: Equatable, Sendable {
    public var offset: Double
    public var slope: Double
    public init(offset: Double = 0, slope: Double = 1) { (self.offset, self.slope) = (offset, slope) }
}

/// A variant beside control, looked at as often as one likes: a wealth against every claim. p-values and intervals are read off
/// the wealth, so that they always agree: the interval leaves a claim out exactly when its p-value is below alpha.
public protocol Comparison {
    var figure: Double { get }
    var controlFigure: Double { get }
    /// How far `figure - controlFigure` is off by chance at this moment: where intervals are searched.
    var standardError: Double { get }
    /// ln of the wealth against the claim. Never above 0 where nothing is known.
    func logWealth(against line: Line) -> Double
}

/// An interval whose ends may still be open.
public struct OpenInterval: Equatable, Sendable, Codable {
    /// Nil while nothing is too low, or too high, to be believed.
    public var lower: Double?
    public var upper: Double?
    public init(lower: Double?, upper: Double?) { (self.lower, self.upper) = (lower, upper) }

    public func contains(_ value: Double) -> Bool { (lower ?? -.infinity) <= value && value <= (upper ?? .infinity) }
    /// Whether it lies wholly between these two.
    public func isWithin(_ low: Double, _ high: Double) -> Bool { (lower ?? -.infinity) > low && (upper ?? .infinity) < high }
}

extension Comparison {
    public var difference: Double { figure - controlFigure }
    /// As a fraction of control's figure; nil where that is nothing.
    public var relativeDifference: Double? { controlFigure != 0 ? difference / abs(controlFigure) : nil }

    /// Valid at every look: under "no difference" it ever falls below alpha with probability at most alpha.
    public var pValue: Double { min(1, exp(-logWealth(against: Line()))) }

    /// All differences that are not rejected.
    public func interval(alpha: Double) -> OpenInterval {
        let limit = -log(alpha)
        let step = self.step
        return OpenInterval(
            lower: edge(from: difference, step: -step) { logWealth(against: Line(offset: $0)) >= limit },
            upper: edge(from: difference, step: step) { logWealth(against: Line(offset: $0)) >= limit })
    }

    /// All ratios to control's figure that are not rejected, less one (Fieller's way, so that a control near zero leaves it open).
    public func relativeInterval(alpha: Double) -> OpenInterval? {
        guard controlFigure != 0 else { return nil }
        let limit = -log(alpha)
        let step = self.step / abs(controlFigure)
        let sign: Double = controlFigure > 0 ? 1 : -1
        return OpenInterval(
            lower: edge(from: difference / abs(controlFigure), step: -step) {
                logWealth(against: Line(slope: 1 + sign * $0)) >= limit
            },
            upper: edge(from: difference / abs(controlFigure), step: step) {
                logWealth(against: Line(slope: 1 + sign * $0)) >= limit
            })
    }

    /// The first step from an estimate; where no value differs from another, a small part of the figures.
    private var step: Double {
        standardError > 0 ? standardError : max(abs(figure), abs(controlFigure), 1e-9) * 1e-3
    }

    /// Goes out from the estimate in doubling steps until a claim is rejected, then halves. Nil when that never happens.
    private func edge(from start: Double, step: Double, _ isRejected: (Double) -> Bool) -> Double? {
        guard step.isFinite, start.isFinite else { return nil }
        var (inside, outside) = (start, start + step)
        var stride = step
        var doublings = 0
        while !isRejected(outside) {
            guard doublings < 24 else { return nil }
            inside = outside
            stride *= 2
            outside += stride
            doublings += 1
        }
        for _ in 0..<50 where abs(outside - inside) > 1e-7 * abs(step) {
            let middle = (inside + outside) / 2
            if isRejected(middle) { outside = middle } else { inside = middle }
        }
        return outside
    }
}
