import Glibc

/// Wealths are kept as logarithms.
public enum LogWealth {
    /// ln of the mean of two wealths. Where each is at most 1 in the mean, so is it, however they depend on each other; and where
    /// they are the same it is that one: a second test costs nothing until it sees something else.
    public static func mean(_ one: Double, _ other: Double) -> Double {
        let greater = max(one, other)
        guard greater.isFinite else { return greater }
        return greater + log((exp(one - greater) + exp(other - greater)) / 2)
    }
}
