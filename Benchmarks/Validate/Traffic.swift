import Glibc
import Outcomes
import Routing
import Statistics
import Telemetry

/// Live traffic of one route as the gates see it, drawn from a seed: who asks, who answers, and how it went.
struct Traffic {
    /// Who asks. In `heavyTailed`, every user is heavy with probability 1 %; a heavy one sends 150 times as much as others, so
    /// that 1 % of the users make 60 % of the requests, and whatever goes wrong goes wrong for them alone.
    enum Users: Sendable, Equatable {
        case fresh
        case heavyTailed(count: Int)
        /// Users come one after the other and send 50 requests each in the mean; one in ten has all the trouble.
        case sessions
        /// Every user sends about as much as the others, and things go wrong for anybody.
        case even(count: Int)
        /// As `even`, and one user sends ten times as much as all others together.
        case oneHeavy(count: Int, trouble: Trouble)
    }

    /// For whom things go wrong beside a user who sends most of the requests.
    enum Trouble: String, Sendable, Equatable {
        case anybody = "all"
        case heavyAlone = "only he"
        case othersAlone = "only others"
    }

    /// What a version does.
    struct Version: Sendable {
        var errorRate = 0.0
        /// Chance that an answer takes 400 ms instead of 100.
        var slowRate = 0.0
        /// Chance that a label is 1.
        var quality = 1.0
        /// Latencies are log-normal around 50 ms times this, instead of 100 or 400 ms.
        var logNormalFactor: Double?
    }

    static let heavyShareOfUsers = 0.01
    static let heavyWeight = 150.0
    /// Of the requests, in the mean.
    static let heavyShareOfRequests = heavyShareOfUsers * heavyWeight / (heavyShareOfUsers * heavyWeight + 1 - heavyShareOfUsers)

    static let sessionLength = 50.0
    /// What the only heavy user sends, as a multiple of what all others send.
    static let oneHeavyMultiple = 10.0

    static let candidate = VariantID(1)
    static let stable = VariantID(0)

    let users: Users
    let versions: (candidate: Version, stable: Version)
    /// The candidate's share in basis points after so many requests of the route.
    let steps: [(from: Int, share: Int)]
    let isLabelled: Bool
    private var random: SplitMix64
    private let salt: UInt64
    private let heavyCount: Int
    private let count: Int
    private var sent = 0
    /// Of `sessions`: who is sending, and whether this one has trouble.
    private var session: (unit: UInt64, isHeavy: Bool) = (0, false)

    init(users: Users, candidate: Version, stable: Version, steps: [(from: Int, share: Int)], isLabelled: Bool, seed: UInt64) {
        (self.users, versions, self.steps, self.isLabelled) = (users, (candidate, stable), steps, isLabelled)
        random = SplitMix64(seed: seed)
        salt = random.next()
        switch users {
        case .fresh, .sessions: (count, heavyCount) = (0, 0)
        case .even(let users): (count, heavyCount) = (users, 0)
        case .oneHeavy(let users, _): (count, heavyCount) = (users, 1)
        case .heavyTailed(let users):
            count = users
            var heavy = 0
            for _ in 0..<users where random.unit() < Self.heavyShareOfUsers { heavy += 1 }
            heavyCount = heavy
        }
    }

    /// The next request of the route, answered.
    mutating func next() -> Exposure {
        let share = steps.last { $0.from <= sent }?.share ?? 10_000
        sent += 1
        let (unit, isHeavy) = user()
        // Sticky: a user's bucket never changes, a share takes the lowest buckets.
        let isCandidate = Int(Self.mixed(unit) % 10_000) < share
        let version = isCandidate ? versions.candidate : versions.stable
        let boost = self.boost(isHeavy)
        let isError = random.unit() < version.errorRate * boost
        return Exposure(
            request: RequestID(instance: 0, loop: 0, sequence: UInt64(sent), nonce: 0), route: RouteID(0),
            variant: isCandidate ? Self.candidate : Self.stable, kind: isError ? .upstreamError : .success,
            status: isError ? 500 : 200, propensity: UInt16(isCandidate ? share : 10_000 - share), unit: unit, tablePosition: 0,
            at: Timestamp(milliseconds: 0), latencyMicroseconds: latency(version, isHeavy), bytesIn: 0, bytesOut: 0)
    }

    /// The label of an answer.
    mutating func label(of exposure: Exposure) -> Score {
        let version = exposure.variant == Self.candidate ? versions.candidate : versions.stable
        let isHeavy = users == .sessions ? session.isHeavy : isHeavy(exposure.unit)
        let wrong = (1 - version.quality) * boost(isHeavy)
        return Score(
            route: exposure.route, variant: exposure.variant, unit: exposure.unit, metric: "correct",
            value: random.unit() < wrong ? 0 : 1, exposedAt: exposure.at, at: exposure.at)
    }

    /// Units below this number are heavy; fresh ones count on from 2^32.
    private func isHeavy(_ unit: UInt64) -> Bool { unit &- salt < UInt64(heavyCount) }

    private mutating func user() -> (unit: UInt64, isHeavy: Bool) {
        if users == .sessions {
            if sent == 1 || random.unit() < 1 / Self.sessionLength { session = (salt &+ UInt64(sent), random.unit() < 0.1) }
            return session
        }
        guard count > 0 else { return (salt &+ (1 << 32) &+ UInt64(sent), false) }
        var heavy = Double(heavyCount) * Self.heavyWeight
        if case .oneHeavy = users { heavy = Double(count - heavyCount) * Self.oneHeavyMultiple }
        let isHeavy = random.unit() * (heavy + Double(count - heavyCount)) < heavy
        let index =
            isHeavy ? random.next() % UInt64(heavyCount) : UInt64(heavyCount) + random.next() % UInt64(max(1, count - heavyCount))
        return (salt &+ index, isHeavy)
    }

    /// Makes the heavy users' rates such that the rate over all requests is the version's, in the mean over populations.
    private func boost(_ isHeavy: Bool) -> Double {
        switch users {
        case .fresh, .even: 1
        case .heavyTailed: isHeavy ? 1 / Self.heavyShareOfRequests : 0
        case .oneHeavy(_, .anybody): 1
        case .oneHeavy(_, .heavyAlone): isHeavy ? 1 + 1 / Self.oneHeavyMultiple : 0
        case .oneHeavy(_, .othersAlone): isHeavy ? 0 : 1 + Self.oneHeavyMultiple
        case .sessions: isHeavy ? 10 : 0
        }
    }

    private mutating func latency(_ version: Version, _ isHeavy: Bool) -> UInt32 {
        if let factor = version.logNormalFactor {
            let normal = (-2 * log(1 - random.unit())).squareRoot() * cos(2 * .pi * random.unit())
            return UInt32(50_000 * factor * exp(0.5 * normal) * (isHeavy ? 2 : 1))
        }
        return random.unit() < version.slowRate * boost(isHeavy) ? 400_000 : 100_000
    }

    private static func mixed(_ unit: UInt64) -> UInt64 {
        var z = unit
        z = (z ^ (z >> 33)) &* 0xff51_afd7_ed55_8ccd
        z = (z ^ (z >> 33)) &* 0xc4ce_b9fe_1a85_ec53
        return z ^ (z >> 33)
    }
}
