import JSON
import Telemetry
import Testing

@testable import Commands

struct ReleaseScreenTests {
    private static let running: JSONValue = [
        "name": "fraud-model-v12", "model": "fraud-model", "version": "v12", "route": "fraud", "state": "running",
        "stage": "monitor_metrics", "share": 0.25, "started_at": "2026-11-21T02:00:00.000Z",
        "stages": [
            ["name": "build_artifact", "state": "idle"],
            ["name": "smoke_test", "state": "done", "note": "40 requests, 0 regressions in 20 cases"],
            ["name": "canary_deploy", "state": "running", "note": "1 % ok, 5 % ok, 25 % now"],
            ["name": "promote_or_rollback", "state": "pending"],
        ],
        "verdicts": [
            verdict("max_p95_latency_ms", 250, "ms", "pass", (41.2, 38, 47.4), 2_113, ""),
            verdict("max_error_rate", 0.01, "fraction", "pass", (0.0009, 0, 0.0064), 2_113, ""),
            verdict("min_quality_score", 0.92, "score", "undecided", (0.961, 0.918, 0.985), 388, "needs about 60 more labels"),
        ],
        "next": ["pause", "rollback"],
    ]

    private static func verdict(
        _ gate: String, _ limit: Double, _ unit: String, _ outcome: String, _ seen: (Double, Double, Double), _ samples: Int64,
        _ reason: String
    ) -> JSONValue {
        [
            "gate": .string(gate), "limit": .number(limit), "unit": .string(unit), "outcome": .string(outcome),
            "seen": .number(seen.0),
            "lower": .number(seen.1), "upper": .number(seen.2), "samples": .integer(samples), "reason": .string(reason),
        ]
    }
    @Test func `a running release shows where it stands, what was seen and what may be typed next`() {
        let now = Timestamp(rfc3339: "2026-11-21T02:03:12.400Z")!
        #expect(
            ReleaseScreen.text(Self.running, .plain, now: now) == """
                fraud-model v12 on route fraud                       stage monitor_metrics   share 25 %   3 m 12 s
                  stages   build_artifact nothing to do  smoke_test ok (40 requests, 0 regressions in 20 cases)  canary_deploy 1 % ok, 5 % ok, 25 % now  promote_or_rollback
                  gate                limit   seen (95 % always-valid)  n      verdict
                  max_p95_latency_ms  250 ms  41 ms  [38, 47]           2 113  pass
                  max_error_rate      1 %     0.09 %  [0 %, 0.64 %]     2 113  pass
                  min_quality_score   0.92    0.961  [0.918, 0.985]     388    undecided: needs about 60 more labels
                  a step goes on when nothing has failed; promotion needs every gate to pass
                next: openclaw release explain fraud-model-v12 | pause | rollback
                """)
    }

    @Test func `one line says what moved since the last look`() {
        #expect(
            ReleaseScreen.line(Self.running)
                == "fraud-model-v12  stage monitor_metrics  share 25 %  max_p95_latency_ms pass  max_error_rate pass  1 undecided"
        )
    }

    @Test func `a release that went back says so first, then why`() {
        let status: JSONValue = [
            "name": "fraud-model-v13", "model": "fraud-model", "version": "v13", "route": "fraud", "state": "rolled_back",
            "stage": "done",
            "share": 0, "because": "min_quality_score: 0.532 [0.41, 0.64] over 141 labels is below 0.85",
            "started_at": "2026-11-21T02:00:00Z", "ended_at": "2026-11-21T02:00:41Z",
        ]
        #expect(
            ReleaseScreen.text(status, .plain, now: .init(milliseconds: 0)) == """
                fraud-model v13 on route fraud                       rolled back   41 s
                  because  min_quality_score: 0.532 [0.41, 0.64] over 141 labels is below 0.85
                next: openclaw release explain fraud-model-v13
                """)
    }

    @Test func `explain tells the end first, then each decision with its proof`() {
        let explanation: JSONValue = [
            "name": "fraud-model-v13", "summary": "rolled back at share 5 %, 9.4 s after its first request (ledger entry 412)",
            "because": "min_quality_score: 0.532 [0.41, 0.64] over 141 labelled answers is below 0.85",
            "others": ["max_p95_latency_ms pass", "max_error_rate undecided (0 of 166)"],
            "users": ["text": "166 answers came from v13; about 66 of them were wrong, v11 would have given about 14"],
            "would_have": "would have passed with at least 0.85: nothing else stood in its way",
            "proof": "openclaw audit prove 412",
            "decisions": [
                [
                    "entry": 398, "at": "2026-11-21T02:00:00.000Z", "what": "goes on to 5 %", "because": "50 requests at 1 %",
                    "would_have": "fewer than 50 requests",
                ]
            ],
        ]
        #expect(
            ReleaseExplain.text(explanation, .plain) == """
                rolled back at share 5 %, 9.4 s after its first request (ledger entry 412)
                  because  min_quality_score: 0.532 [0.41, 0.64] over 141 labelled answers is below 0.85
                  others   max_p95_latency_ms pass, max_error_rate undecided (0 of 166)
                  users    166 answers came from v13; about 66 of them were wrong, v11 would have given about 14
                  would have passed with at least 0.85: nothing else stood in its way
                  entry  at        decision
                  398    02:00:00  goes on to 5 %: 50 requests at 1 %
                                   else: fewer than 50 requests
                  proof    openclaw audit prove 412
                """)
    }
}
