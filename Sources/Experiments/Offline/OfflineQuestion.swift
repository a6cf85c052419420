public import Faults

/// What is asked of a file of outcomes: its columns, and how sure one wants to be.
public struct OfflineQuestion: Equatable, Sendable {
    /// A metric and the column it stands in.
    public struct Column: Equatable, Sendable {
        public var name: String
        public var kind: Metric.Kind
        public var direction: Metric.Direction
        /// For `quantile`.
        public var quantile: Double
        /// For `ratio`: the column that divides.
        public var denominator: String?
    }

    public var unit: String
    public var variant: String
    public var control: String
    public var metrics: [Column]
    public var covariate: String?
    public var alpha: Double
    /// Also the textbook tests.
    public var isFixed: Bool
    /// Planned shares by variant, of any scale; equal ones where none are given.
    public var shares: [String: Double]
    /// Where the always-valid intervals are tightest.
    public var plannedUnits: Double

    public init(
        unit: String, variant: String, control: String, metrics: [Column], covariate: String? = nil, alpha: Double = 0.05,
        isFixed: Bool = false, shares: [String: Double] = [:], plannedUnits: Double? = nil
    ) {
        (self.unit, self.variant, self.control, self.metrics) = (unit, variant, control, metrics)
        (self.covariate, self.alpha, self.isFixed, self.shares) = (covariate, alpha, isFixed, shares)
        self.plannedUnits = plannedUnits ?? 5_000
    }
}

extension OfflineQuestion.Column {
    /// `COL:TYPE`, with `:up` or `:down` and for a quantile `:0.95` after it. A column's name may itself have colons.
    public init(parsing text: String, denominator: String? = nil) throws(Fault) {
        var words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        var (direction, quantile): (Metric.Direction, Double?) = (.up, nil)
        while words.count > 2, let last = words.last, Metric.Kind(rawValue: last) == nil {
            if let named = Metric.Direction(rawValue: last) {
                direction = named
            } else if let value = Double(last), value > 0, value < 1 {
                quantile = value
            } else {
                break
            }
            words.removeLast()
        }
        guard words.count > 1, let kind = words.last.flatMap({ Metric.Kind(rawValue: $0) }) else {
            let kinds = Metric.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw Fault(
                .usage, what: "'\(text)' is not a metric", why: "a metric is a column and its type, one of \(kinds)",
                fix: "write --metric COLUMN:binary, or COLUMN:quantile:0.95:down")
        }
        guard kind == .quantile || quantile == nil else {
            throw Fault(
                .usage, what: "'\(text)' is not a metric", why: "only a quantile takes a number after its type",
                fix: "write --metric COLUMN:quantile:0.95")
        }
        self.init(
            name: words.dropLast().joined(separator: ":"), kind: kind, direction: direction, quantile: quantile ?? 0.5,
            denominator: denominator)
    }
}
