import Faults
import Routing
import SQL
import Telemetry

/// Joined feedback in SQLite. Each row stands on its own: the facts of its exposure are stored with it.
struct FeedbackTable {
    /// One event that found its exposure.
    struct Row: Sendable {
        var exposure: Exposure
        var metric: String
        var value: Double
        /// Nil: it counts each time.
        var key: String?
        var at: Timestamp
    }
    /// A row as it is kept.
    struct Kept: Sendable {
        var sequence: Int64
        var score: Score
    }

    let database: Database

    static func open(directory: String) async throws(Fault) -> FeedbackTable {
        FeedbackTable(database: try await Database.open(path: directory + "/feedback.db", migrations: migrations))
    }

    private static let migrations = [
        Migration(
            "joined feedback",
            """
            CREATE TABLE feedback (
                sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                key TEXT UNIQUE,
                route INTEGER NOT NULL,
                variant INTEGER NOT NULL,
                unit INTEGER NOT NULL,
                metric TEXT NOT NULL,
                value REAL NOT NULL,
                at INTEGER NOT NULL,
                exposed_at INTEGER NOT NULL,
                request TEXT NOT NULL,
                propensity INTEGER NOT NULL,
                table_position INTEGER NOT NULL
            );
            CREATE INDEX feedback_of_route ON feedback (route, sequence);
            """)
    ]

    /// The sequence of the newest row there ever was.
    func newest() async throws(Fault) -> Int64 {
        try await database.read { session throws(Fault) in
            try session.rows("SELECT seq FROM sqlite_sequence WHERE name = 'feedback'").first?.first?.integerValue ?? 0
        }
    }

    func count() async throws(Fault) -> Int64 {
        try await database.read { session throws(Fault) in
            try session.rows("SELECT count(*) FROM feedback").first?.first?.integerValue ?? 0
        }
    }

    /// Durable when it returns: for each row its sequence, or nil where its key was there before.
    func insert(_ rows: [Row]) async throws(Fault) -> [Int64?] {
        try await database.write { session throws(Fault) in
            var sequences: [Int64?] = []
            sequences.reserveCapacity(rows.count)
            for row in rows {
                try session.run(
                    """
                    INSERT INTO feedback (key, route, variant, unit, metric, value, at, exposed_at, request, propensity, table_position)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING
                    """, row.bindings)
                if session.changes == 0 {
                    sequences.append(nil)
                } else {
                    sequences.append(try session.rows("SELECT last_insert_rowid()").first?.first?.integerValue)
                }
            }
            return sequences
        }
    }

    /// Rows of a route in `(after, upTo]`, in order, at most `limit`.
    func rows(of route: RouteID, after: Int64, upTo: Int64, limit: Int) async throws(Fault) -> [Kept] {
        try await database.read { session throws(Fault) in
            try session.rows(
                """
                SELECT sequence, variant, unit, metric, value, at, exposed_at FROM feedback
                WHERE route = ? AND sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?
                """, [.integer(Int64(route.number)), .integer(after), .integer(upTo), .integer(Int64(limit))]
            ).compactMap { Kept($0, route: route) }
        }
    }

    /// Removes what was fed before `oldest`, and the oldest beyond `rowsMax`, at most 10 000 rows at a time.
    func prune(olderThan oldest: Timestamp, rowsMax: Int64, newest: Int64) async throws(Fault) {
        try await database.write { session throws(Fault) in
            try session.run(
                """
                DELETE FROM feedback WHERE sequence < (SELECT min(sequence) + 10000 FROM feedback) AND (at < ? OR sequence <= ?)
                """, [.integer(oldest.milliseconds), .integer(newest - rowsMax)])
        }
    }
}

extension FeedbackTable.Row {
    fileprivate var bindings: [SQLValue] {
        [
            key.map { .text($0) } ?? .null, .integer(Int64(exposure.route.number)), .integer(Int64(exposure.variant.number)),
            .integer(Int64(bitPattern: exposure.unit)), .text(metric), .real(value), .integer(at.milliseconds),
            .integer(exposure.at.milliseconds), .text(exposure.request.description), .integer(Int64(exposure.propensity)),
            .integer(exposure.tablePosition),
        ]
    }

    var score: Score {
        Score(
            route: exposure.route, variant: exposure.variant, unit: exposure.unit, metric: metric, value: value,
            exposedAt: exposure.at, at: at)
    }
}

extension FeedbackTable.Kept {
    fileprivate init?(_ row: [SQLValue], route: RouteID) {
        guard row.count == 7, let sequence = row[0].integerValue, let variant = row[1].integerValue, let unit = row[2].integerValue,
            let metric = row[3].textValue, let value = row[4].realValue, let at = row[5].integerValue,
            let exposedAt = row[6].integerValue
        else { return nil }
        self.init(
            sequence: sequence,
            score: Score(
                route: route, variant: VariantID(UInt8(truncatingIfNeeded: variant)), unit: UInt64(bitPattern: unit),
                metric: metric,
                value: value, exposedAt: Timestamp(milliseconds: exposedAt), at: Timestamp(milliseconds: at)))
    }
}
