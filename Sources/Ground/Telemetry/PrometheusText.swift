/// Builds one page of Prometheus text exposition format 0.0.4. Families are declared once, samples follow.
public struct PrometheusText: Sendable {
    public enum Kind: String, Sendable { case counter, gauge, histogram }

    public private(set) var text = ""

    public init() {}

    public mutating func family(_ name: String, _ kind: Kind, help: String) { preconditionFailure("contract") }

    public mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
        preconditionFailure("contract")
    }
}
