/// Texts with units, as users write them in files and on the command line.
public enum Quantity {
    /// `250ms`, `20s`, `5m`, `2h`, `1d`, and sums such as `1h30m`. Nil when it is none of these.
    public static func duration(_ text: String) -> Duration? { preconditionFailure("contract") }
    /// `5%`, `0.5 %` -> 0.05, 0.005. Nil without the percent sign.
    public static func percentage(_ text: String) -> Double? { preconditionFailure("contract") }
    /// How a person writes a duration: `20s`, `3m 12s`, `1h 5m`.
    public static func text(_ duration: Duration) -> String { preconditionFailure("contract") }
}
