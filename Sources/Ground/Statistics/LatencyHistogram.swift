/// Logarithmic bins with relative error 1 % by construction (DDSketch, Masson, Rim and Lee 2019): gamma = (1 + 0.01)/(1 - 0.01).
/// Fixed size, mergeable, no allocation after `init`. Values are microseconds.
public struct LatencyHistogram: Sendable, Equatable {
    public init() { preconditionFailure("contract") }
    public mutating func record(_ microseconds: UInt32) { preconditionFailure("contract") }
    public mutating func merge(_ other: LatencyHistogram) { preconditionFailure("contract") }
    public var count: UInt64 { preconditionFailure("contract") }
    public var sum: UInt64 { preconditionFailure("contract") }
    /// Nil when empty. `q` in 0...1.
    public func quantile(_ q: Double) -> Double? { preconditionFailure("contract") }
}
