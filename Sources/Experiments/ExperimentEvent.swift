public import Conducting
public import JSON
public import Outcomes
public import Routing
public import Telemetry

/// What a person may ask of a running experiment.
public enum ExperimentCommand: Sendable, Equatable, Codable {
    /// It ends without a winner; the route's base split answers again.
    case stop
    /// This variant answers everybody, whatever the evidence says.
    case promote(variant: String)

    var word: String {
        switch self {
        case .stop: "stop"
        case .promote: "promote"
        }
    }
}

extension ExperimentMachine {
    /// All that an experiment can learn. Each is recorded before it has consequences; clock, measurements and the answers of
    /// the world enter only here.
    public enum Event: Sendable, Equatable, Codable {
        // From people.
        case applied
        case commanded(command: ExperimentCommand, by: String, reason: String?)
        /// Its file was applied again, with another content (`ExperimentChange`).
        case changed(spec: ExperimentSpec)

        // Answers to effects.
        case attached(layer: ExperimentLayer, table: Int64)
        case moved(shares: [Int], table: Int64)
        case covered(step: Int)
        /// The variant of this number is on the route, without a share.
        case joined(arm: Int, variant: VariantID)
        case retired(arm: Int)
        case overridden
        case detached
        /// The winner answers everybody, as this variant of the route.
        case settled(base: String)
        /// The winner is a model's version that has passed no gates: a release must take it to everybody.
        case gated(version: String)
        case released(outcome: ReleaseOutcome)
        case failed(trouble: Trouble)

        // From the world.
        case looked(look: ExperimentLook)
        case reweighted(shares: [Int], scorer: JSONValue?)
        case timePassed
    }

    /// How the release ended that an experiment asked for.
    public struct ReleaseOutcome: Sendable, Equatable, Codable {
        public var name: String
        public var isPromoted: Bool
        /// A sentence for a person.
        public var text: String
        public init(name: String, isPromoted: Bool, text: String) {
            (self.name, self.isPromoted, self.text) = (name, isPromoted, text)
        }
    }

    /// All that an experiment can do to the world. Each ends in exactly one event that answers it, and each changes nothing the
    /// second time it is performed under the same fence.
    public enum Effect: Equatable, Sendable, Codable {
        /// Put the experiment over the route's base split, in one table.
        case attach(coverage: Int)
        /// New shares in basis points, in the order of the variants; a contextual allocation also has the machine's scorer.
        case move(shares: [Int])
        /// Take in as many units as this step of the ramp says.
        case cover(step: Int)
        /// Put a variant that joins on the route, without a share.
        case put(arm: Int)
        /// Take a variant that has no share off the route.
        case retire(arm: Int)
        /// Give testers the variants that the file says.
        case override
        case detach
        case settle(variant: String)
        /// Ask for a release of a model's version, and wait for its end.
        case release(version: String)

        /// The closed list of effects, without what they carry: kill points and logs are named by it.
        public enum Kind: String, Sendable, Codable, CaseIterable {
            case attach, move, cover, put, retire, override, detach, settle, release
        }
        public var kind: Kind {
            switch self {
            case .attach: .attach
            case .move: .move
            case .cover: .cover
            case .put: .put
            case .retire: .retire
            case .override: .override
            case .detach: .detach
            case .settle: .settle
            case .release: .release
            }
        }
    }
}

/// An experiment as its route carries it.
public struct ExperimentLayer: Sendable, Equatable, Codable {
    public var route: RouteID
    /// In the order of the experiment's variants.
    public var arms: [VariantID]
    public init(route: RouteID, arms: [VariantID]) { (self.route, self.arms) = (route, arms) }
}

/// What was known at one look: enough to decide by, the evidence for people, and where a restart goes on from.
public struct ExperimentLook: Sendable, Equatable, Codable {
    public enum Outcome: String, Sendable, Codable { case better, worse, equivalent, undecided }

    /// Plain counts of one variant.
    public struct Tally: Sendable, Equatable, Codable {
        public var requests: Int64 = 0
        public var errors: Int64 = 0
        /// Feedback on the primary metric, corrections not counted twice.
        public var outcomes: Int64 = 0
        public init() {}
    }

    /// Everything before the cursor is in the evidence of this digest, and nothing after it.
    public struct Mark: Sendable, Equatable, Codable {
        public var cursor: OutcomeStore.Cursor
        /// SHA-256 of the evidence as it was written down.
        public var digest: String
        public init(cursor: OutcomeStore.Cursor, digest: String) { (self.cursor, self.digest) = (cursor, digest) }
    }

    public var outcome: Outcome
    /// The variant that is best, when one is known to be.
    public var winner: String?
    /// Why there can be no verdict, such as a sample ratio that does not fit.
    public var blockedBy: String?
    /// The guardrail that was broken, and how.
    public var stoppedBy: String?
    /// A sentence for a person.
    public var reason: String
    /// What would decide it.
    public var stillNeeded: String?
    public var tallies: [Tally]
    public var units: Int64
    /// When a unit was first answered with one of the variants.
    public var firstExposure: Timestamp?
    /// Difference of the best (or only) variant from control on the primary metric, with its interval.
    public var difference: Double?
    public var lower: Double?
    public var upper: Double?
    /// Every figure of every metric and variant.
    public var evidence: JSONValue
    public var mark: Mark?

    public init(outcome: Outcome, reason: String, tallies: [Tally] = [], units: Int64 = 0, evidence: JSONValue = .null) {
        (self.outcome, self.reason, self.tallies, self.units, self.evidence) = (outcome, reason, tallies, units, evidence)
    }
}

/// Why an experiment went the way it did.
public struct ExperimentEnding: Sendable, Equatable, Codable {
    public enum Cause: String, Sendable, Codable, CaseIterable {
        case better, worse, equivalent, undecided, guardrail
        case stoppedByHand = "stopped_by_hand"
        case promotedByHand = "promoted_by_hand"
        case failed
    }
    public var cause: Cause
    /// A sentence for a person.
    public var text: String
    /// The variant that answers everybody from now on; nil where the route's base split does.
    public var winner: String?
    public var by: String?
    /// When it was decided; what follows from it comes after.
    public var at: Timestamp
}
