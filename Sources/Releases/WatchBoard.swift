import Conducting
import Outcomes
import Registry
import Routing
import Telemetry

/// What one watch has seen: the gates' own evidence, and plain counts. Pure: a restart folds the same observations again and
/// stands where it stood.
struct WatchBoard: Sendable {
    /// This many answers without a label make a silence worth telling.
    static let silentAnswersMin: Int64 = 50

    let watch: Watch
    private let metric: String?
    private let timeout: Duration
    /// Whether a gate waits for the metric's labels.
    private let isJudged: Bool
    private var gates: GateBoard
    private var candidate = Tally()
    private var stable = Tally()
    /// The candidate's answers by the routing table that sent them: a step counts its own.
    private var answersByTable: [Int64: Int64] = [:]
    private var firstRequest: Timestamp?
    private var lastLabel: Timestamp?
    private var answersSinceLabel: Int64 = 0
    /// When so many answers had gone without a label that one was to be expected.
    private var labelExpected: Timestamp?

    init(_ watch: Watch, plan: ReleasePlan) {
        self.watch = watch
        metric = plan.model.qualityMetric
        timeout = .milliseconds(plan.spec.monitor.metricTimeout)
        isJudged = plan.spec.gates.contains { $0.measure == .quality }
        gates = GateBoard(
            gates: plan.spec.gates, qualityMetric: plan.model.qualityMetric, candidate: watch.candidate, stable: watch.stable)
    }

    mutating func observe(_ observation: Observation) {
        switch observation {
        case .answered(let exposure):
            guard exposure.at >= watch.since else { return }
            count(exposure)
        case .scored(let score):
            guard score.exposedAt >= watch.since else { return }
            count(score)
        case .used, .context: return  // what a model used, and what a choice looked at, decide no release
        }
        gates.observe(observation)
    }

    private mutating func count(_ exposure: Exposure) {
        let error: Int64 = exposure.kind.isError ? 1 : 0
        if exposure.variant == watch.candidate {
            candidate.requests += 1
            candidate.errors += error
            answersByTable[exposure.tablePosition, default: 0] += 1
            if firstRequest.map({ exposure.at < $0 }) ?? true { firstRequest = exposure.at }
        } else if exposure.variant == watch.stable {
            stable.requests += 1
            stable.errors += error
        }
        // A restart reads answers again whose labels it has read already.
        if let lastLabel, exposure.at <= lastLabel { return }
        answersSinceLabel += 1
        if answersSinceLabel == Self.silentAnswersMin { labelExpected = exposure.at }
    }

    private mutating func count(_ score: Score) {
        guard score.metric == metric else { return }
        // A correction takes the place of a label that was counted.
        let (labels, value): (Int64, Double) = score.previous.map { (0, score.value - $0) } ?? (1, score.value)
        if score.variant == watch.candidate {
            candidate.labels += labels
            candidate.labelSum += value
        } else if score.variant == watch.stable {
            stable.labels += labels
            stable.labelSum += value
        }
        (lastLabel, answersSinceLabel, labelExpected) = (max(lastLabel ?? score.at, score.at), 0, nil)
    }

    /// The candidate's answers under `table` or a later one.
    func stepRequests(since table: Int64) -> Int64 { answersByTable.reduce(0) { $1.key >= table ? $0 + $1.value : $0 } }

    func look(since table: Int64) -> Look {
        Look(
            verdicts: gates.verdicts(), candidate: candidate, stable: stable, table: table,
            stepRequests: stepRequests(since: table),
            firstRequest: firstRequest)
    }

    /// A metric that a gate judges used to arrive and does not any more, although requests go on. Its time is counted from
    /// answers, not from the last label: after a quiet night the first labels of the morning are not late.
    func silence(at now: Timestamp) -> Trouble? {
        guard isJudged, let metric, let lastLabel, let labelExpected, now - labelExpected >= timeout else { return nil }
        return Trouble(
            what: "metric \(metric) stopped arriving",
            why: "no label for \((now - lastLabel).components.seconds) s, while \(answersSinceLabel) requests were answered",
            fix: "mend what reports \(metric) (POST /v1/feedback), or set metric_timeout of monitor_metrics")
    }
}
