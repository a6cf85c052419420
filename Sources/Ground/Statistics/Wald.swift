import Glibc

/// The least that any test needs: Wald's bound (1945, 1947) on the expected sample size of a sequential test.
public enum Wald {
    /// KL divergence of Bernoulli(p) from Bernoulli(q), in nats.
    public static func divergence(_ p: Double, from q: Double) -> Double {
        let hit = p > 0 ? p * log(p / q) : 0
        let miss = p < 1 ? (1 - p) * log((1 - p) / (1 - q)) : 0
        return hit + miss
    }

    /// ((1-beta) ln((1-beta)/alpha) + beta ln(beta/(1-alpha))) / information: the expected samples under the alternative of any
    /// test with these errors; `information` is the KL divergence of one sample. With beta = 0 it is ln(1/alpha) / information.
    public static func samples(information: Double, alpha: Double, beta: Double = 0) -> Double {
        precondition(information > 0 && alpha > 0 && alpha < 1 && beta >= 0 && beta < 1, "Wald's bound is asked for nonsense")
        let missed = beta > 0 ? beta * log(beta / (1 - alpha)) : 0
        return ((1 - beta) * log((1 - beta) / alpha) + missed) / information
    }

    /// Bernoulli(p1) against Bernoulli(p0).
    public static func samples(telling p1: Double, from p0: Double, alpha: Double, beta: Double = 0) -> Double {
        samples(information: divergence(p1, from: p0), alpha: alpha, beta: beta)
    }
}
