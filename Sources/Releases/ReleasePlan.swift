public import JSON
public import Registry

/// What a release will do, decided before it starts and recorded with it: the pipeline as written, the model as it was
/// then (a later change of the model changes no running release), and what each stage comes to.
public struct ReleasePlan: Sendable, Equatable, Codable {
    public var spec: ReleaseSpec
    public var model: Model
    /// The route whose traffic it moves; nil when it moves none.
    public var route: String?
    /// How the candidate comes to answer requests.
    public var serving: Serving
    /// The version it goes back to, as seen when it was planned.
    public var previous: String?
    public var work: [StageWork]
    /// What a reader should know and no stage says.
    public var notes: [String]

    /// How the candidate comes to answer requests.
    public enum Serving: Sendable, Equatable, Codable {
        /// Somebody serves it already.
        case at(url: String)
        /// The model's `serve:` command starts it.
        case started
        /// Nothing does: the stages that need an answer do nothing.
        case not
    }

    /// One stage and what it comes to for this model.
    public struct StageWork: Sendable, Equatable, Codable {
        public var stage: ReleaseSpec.StageName
        /// A sentence for a person.
        public var does: String
        /// Its part of the model is missing: it does nothing.
        public var idle: Bool
    }

    public var name: String { spec.name }
    public var version: VersionID { spec.version }

    /// Whether a stage was named and has something to do.
    public func runs(_ stage: ReleaseSpec.StageName) -> Bool { work.contains { $0.stage == stage && !$0.idle } }

    /// A stage needs answers of the candidate before traffic moves.
    var needsServer: Bool {
        serving != .not && (runs(.smokeTest) || runs(.canaryDeploy) || (runs(.promoteOrRollback) && route != nil))
    }

    /// The last stage hands over to the candidate; without it a person does.
    var promotes: Bool { spec.names(.promoteOrRollback) }

    /// The share the canary leaves the candidate at in each step; no steps when it does nothing.
    var steps: [CanaryOptions.Step] { runs(.canaryDeploy) ? spec.canary.steps : [] }
}

extension ReleasePlan {
    /// What `release plan --json` prints:
    ///
    ///     {"name","model","version","route","previous","moves_traffic",
    ///      "stages":[{"name","does","idle"}],
    ///      "gates":[{"name","limit","unit","reads":"at most 0.5 %","line"}],
    ///      "canary":{"steps":[{"share","min_samples","hold_ms"}]},
    ///      "monitor":{"for_ms","deadline_ms","on_undecided","metric_timeout_ms"},
    ///      "promote":{"bake_ms","scale_down_delay_ms"},
    ///      "rollback":{"strategy","previous_version"},
    ///      "notes":["..."]}
    ///
    /// Shares and limits of unit `fraction` are fractions: 1 % is 0.01.
    public var json: JSONValue {
        [
            "name": .string(name), "model": .string(version.model), "version": .string(version.version),
            "route": route.map(JSONValue.string) ?? .null, "previous": previous.map(JSONValue.string) ?? .null,
            "moves_traffic": .bool(route != nil && serving != .not),
            "stages": .array(work.map { ["name": .string($0.stage.rawValue), "does": .string($0.does), "idle": .bool($0.idle)] }),
            "gates": .array(
                spec.gates.map {
                    [
                        "name": .string($0.name), "limit": .number($0.limit), "unit": .string($0.unit),
                        "reads": .string("\($0.measure.isAtLeast ? "at least" : "at most") \(Figure($0).limitText)"),
                        "line": .integer(Int64($0.line)),
                    ]
                }),
            "canary": [
                "steps": .array(
                    steps.map {
                        ["share": fraction($0.share), "min_samples": .integer($0.samplesMin), "hold_ms": .integer($0.hold)]
                    })
            ],
            "monitor": [
                "for_ms": .integer(spec.monitor.lookFor), "deadline_ms": .integer(spec.monitor.deadline),
                "on_undecided": .string(spec.monitor.onUndecided.rawValue),
                "metric_timeout_ms": .integer(spec.monitor.metricTimeout),
            ],
            "promote": [
                "bake_ms": .integer(spec.promote.bake), "scale_down_delay_ms": .integer(spec.promote.scaleDownDelay),
            ],
            "rollback": [
                "strategy": .string(spec.rollback.strategy.rawValue),
                "previous_version": previous.map(JSONValue.string) ?? .null,
            ],
            "notes": .array(notes.map(JSONValue.string)),
        ]
    }
}

/// Basis points as JSON shows them: a fraction.
func fraction(_ basisPoints: Int) -> JSONValue { .number(Double(basisPoints) / 10_000) }
