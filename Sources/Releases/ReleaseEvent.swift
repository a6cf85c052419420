public import Conducting
public import Outcomes
public import Routing
public import Telemetry

/// What a user may ask of a running release.
public enum ReleaseCommand: String, Sendable, Codable, CaseIterable { case promote, pause, resume, rollback, abort }

extension ReleaseMachine {
    /// All that a release can learn. Each is recorded before it has consequences; clock, measurements and the answers of
    /// the world enter only here.
    public enum Event: Sendable, Equatable, Codable {
        // From people and from other releases.
        case applied
        case commanded(command: ReleaseCommand, by: String, reason: String?)
        case replaced(by: String)
        case routeFree
        /// Another release was promoted, and this version's server answers nothing any more.
        case retired(by: String)
        /// Another release goes back to this version, and needs its server.
        case revived(by: String)

        // Answers to effects.
        case claimed(baseline: Baseline)
        case busy(owner: String)
        case built(report: BuildReport)
        case serving(deployment: Deployment)
        case smoked(report: SmokeReport)
        case watching(watch: Watch)
        case routed(share: Int, table: Int64)
        case crowned
        case uncrowned
        case left
        case stopped
        case previousRetired
        case previousUp
        case failed(trouble: Trouble)
        /// The daemon stopped in the middle of the effect; what it had left was cleared away.
        case interrupted

        // From the world.
        case judged(look: Look)
        case metricSilent(trouble: Trouble)
        case serverDied(how: String)
        case timePassed
    }

    /// All that a release can do to the world. Each ends in exactly one event that answers it.
    public enum Effect: Hashable, Sendable, Codable {
        /// Become the route's one owner and see where its traffic stands: `claimed` or `busy`.
        case claim
        case build
        /// Have the candidate answer requests: start its server and wait until it is ready, or use its url.
        case start
        case smoke
        /// Put the candidate on the route with no share of its own and note where its evidence begins.
        case watch
        /// The candidate's share in basis points; 0 restores the baseline.
        case route(share: Int)
        /// Move the registry's aliases: the candidate is `stable`, the one before it `previous`.
        case crown
        case uncrown
        /// Take an unused candidate off the route, and give the route back.
        case leave
        /// No process of this release remains.
        case stop
        case retirePrevious
        case revivePrevious

        /// The closed list of effects, without what they carry: kill points and logs are named by it.
        public enum Kind: String, Sendable, Codable, CaseIterable {
            case claim, build, start, smoke, watch, route, crown, uncrown, leave, stop
            case retirePrevious = "retire_previous"
            case revivePrevious = "revive_previous"
        }
        public var kind: Kind {
            switch self {
            case .claim: .claim
            case .build: .build
            case .start: .start
            case .smoke: .smoke
            case .watch: .watch
            case .route: .route
            case .crown: .crown
            case .uncrown: .uncrown
            case .leave: .leave
            case .stop: .stop
            case .retirePrevious: .retirePrevious
            case .revivePrevious: .revivePrevious
            }
        }
    }
}

/// Where the evidence of one phase begins, and whose it is.
public struct Watch: Sendable, Hashable, Codable {
    public var route: RouteID
    public var candidate: VariantID
    public var stable: VariantID
    public var cursor: OutcomeStore.Cursor
    /// Only who was exposed after this moment counts.
    public var since: Timestamp
    public init(route: RouteID, candidate: VariantID, stable: VariantID, cursor: OutcomeStore.Cursor, since: Timestamp) {
        (self.route, self.candidate, self.stable, self.cursor, self.since) = (route, candidate, stable, cursor, since)
    }
}

/// How a version answers requests now.
public struct Deployment: Sendable, Equatable, Codable {
    /// Names one process for ever: pid and kernel start time.
    public struct Process: Sendable, Hashable, Codable {
        public var id: Int32
        public var startTime: UInt64
        public var port: Int
        public init(id: Int32, startTime: UInt64, port: Int) { (self.id, self.startTime, self.port) = (id, startTime, port) }
    }
    public var url: String
    /// The server we started; nil when somebody else serves the url.
    public var process: Process?
    public init(url: String, process: Process?) { (self.url, self.process) = (url, process) }
}

/// What was seen at one look: verdicts, and plain counts for people.
public struct Look: Sendable, Equatable, Codable {
    public var verdicts: [Verdict]
    public var candidate: Tally
    public var stable: Tally
    /// The routing table that began the step, and the candidate's answers under it or a later one.
    public var table: Int64
    public var stepRequests: Int64
    /// When the candidate was first asked something.
    public var firstRequest: Timestamp?
    public init(
        verdicts: [Verdict], candidate: Tally, stable: Tally, table: Int64, stepRequests: Int64, firstRequest: Timestamp?
    ) {
        (self.verdicts, self.candidate, self.stable) = (verdicts, candidate, stable)
        (self.table, self.stepRequests, self.firstRequest) = (table, stepRequests, firstRequest)
    }
}

/// Counts of one variant since the watch began.
public struct Tally: Sendable, Equatable, Codable {
    public var requests: Int64 = 0
    public var errors: Int64 = 0
    /// Feedback on the quality metric, and its sum.
    public var labels: Int64 = 0
    public var labelSum: Double = 0
    public init() {}
    public var quality: Double? { labels > 0 ? labelSum / Double(labels) : nil }
}

/// What `build_artifact` found or made.
public struct BuildReport: Sendable, Equatable, Codable {
    public var digest: String
    /// The version was registered before; its artifact was verified.
    public var reused: Bool
    public var milliseconds: Int64
    public init(digest: String, reused: Bool, milliseconds: Int64) {
        (self.digest, self.reused, self.milliseconds) = (digest, reused, milliseconds)
    }
}

/// What `smoke_test` saw.
public struct SmokeReport: Sendable, Equatable, Codable {
    public var requests: Int
    public var cases: Int
    /// Cases that used to be right and are wrong now, by name.
    public var regressions: [String]
    /// Cases that used to be wrong and are right now.
    public var improvements: Int
    public var slowestMilliseconds: Double
    /// Why the stage fails; nil when it passes.
    public var trouble: Trouble?
    public init(
        requests: Int, cases: Int, regressions: [String], improvements: Int, slowestMilliseconds: Double, trouble: Trouble?
    ) {
        (self.requests, self.cases, self.regressions, self.improvements) = (requests, cases, regressions, improvements)
        (self.slowestMilliseconds, self.trouble) = (slowestMilliseconds, trouble)
    }
}

/// Why a release went the way it did.
public struct Ending: Sendable, Equatable, Codable {
    public enum Cause: String, Sendable, Codable, CaseIterable {
        case promoted, overridden, finished
        case gateFailed = "gate_failed"
        case undecided
        case metricSilent = "metric_silent"
        case rolledBackByHand = "rolled_back_by_hand"
        case aborted, replaced
        case serverDied = "server_died"
        case stageFailed = "stage_failed"
    }
    public var cause: Cause
    /// A sentence for a person.
    public var text: String
    public var by: String?
    public var verdict: Verdict?
    public var trouble: Trouble?
    public var at: Timestamp
}
