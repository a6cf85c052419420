import Glibc

/// What a gate saw: sufficient statistics and what they say now. Codable: it is what the ledger records.
public struct Evidence: Sendable, Equatable, Codable {
    public var seen: Double?
    /// The always-valid interval, at least 95 %. An end that nothing is known of yet is nil.
    public var lower: Double?
    public var upper: Double?
    /// Samples (requests, labels or units) behind it.
    public var samples: Int64
    /// log wealth against "the gate holds" (grows when it is broken) and against "it is broken" (grows when it holds).
    public var logWealthAgainstGood: Double
    public var logWealthAgainstBad: Double
    /// The sufficient statistics themselves, by name.
    public var statistics: [String: Double]

    public init(
        seen: Double?, lower: Double?, upper: Double?, samples: Int64, logWealthAgainstGood: Double, logWealthAgainstBad: Double,
        statistics: [String: Double]
    ) {
        (self.seen, self.lower, self.upper, self.samples) = (seen, lower, upper, samples)
        // JSON has no infinity; no evidence at all is written as a wealth that no test can come back from.
        self.logWealthAgainstGood = max(logWealthAgainstGood, Self.leastLogWealth)
        self.logWealthAgainstBad = max(logWealthAgainstBad, Self.leastLogWealth)
        self.statistics = statistics
    }

    static let leastLogWealth = -1e9
}

public enum VerdictOutcome: String, Sendable, Codable { case pass, fail, undecided }

public struct Verdict: Sendable, Equatable, Codable {
    public var gate: String
    public var limit: Double
    public var unit: String
    public var outcome: VerdictOutcome
    public var evidence: Evidence
    /// One sentence for a person: "0.532 [0.41, 0.64] over 141 labelled answers is below 0.85".
    public var reason: String
}

/// How often the gates of one release may be wrong, at most, over all looks.
public struct ErrorBudget: Sendable, Equatable, Codable {
    /// "Rolled back although good": 5 % over all gates together, divided evenly. At most 2.5 % for one, so that a verdict never
    /// contradicts the 95 % interval printed beside it.
    public let failAlpha: Double
    /// "Promoted although bad" takes every gate to pass, so each may use the whole 2.5 %.
    public let passAlpha = 0.025

    public init(gates: [Gate]) {
        failAlpha = min(0.025, 0.05 / Double(max(1, gates.filter(\.measure.isStatistical).count)))
    }

    private enum CodingKeys: String, CodingKey { case failAlpha }
}

extension ErrorBudget {
    /// Where a gate is evaluated. `evidence` holds two wealth processes, one against each side of the limit, so that looking
    /// again and again is allowed (MATH.md); either is enough at 1/alpha.
    func outcome(on evidence: Evidence) -> VerdictOutcome {
        if evidence.logWealthAgainstGood >= failLogWealth { return .fail }
        if evidence.logWealthAgainstBad >= passLogWealth { return .pass }
        return .undecided
    }

    var failLogWealth: Double { -log(failAlpha) }
    var passLogWealth: Double { -log(passAlpha) }
}
