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
        /// Where its key was there before, it takes that one's place.
        var replaces = false
        var at: Timestamp
    }
    /// What became of a row.
    enum Written: Sendable, Equatable {
        case new(sequence: Int64)
        case replaced(sequence: Int64, Score)
        case duplicate

        /// What watchers are told of it.
        func kept(of row: Row) -> Kept? {
            switch self {
            case .new(let sequence): Kept(sequence: sequence, score: row.score)
            case .replaced(let sequence, let score): Kept(sequence: sequence, score: score)
            case .duplicate: nil
            }
        }
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
            """),
        // The value that a correction replaced. The row that it was in gave its key to the correction.
        Migration("corrections", "ALTER TABLE feedback ADD COLUMN previous REAL;"),
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

    /// Durable when it returns: what became of each row, in order.
    func insert(_ rows: [Row]) async throws(Fault) -> [Written] {
        try await database.write { session throws(Fault) in
            var written: [Written] = []
            written.reserveCapacity(rows.count)
            // Rows are numbered by the table itself; within a transaction nobody else writes, so that counting on is the same.
            var sequence =
                try session.rows("SELECT seq FROM sqlite_sequence WHERE name = 'feedback'").first?.first?.integerValue ?? 0
            for row in rows {
                let one = try Self.insert(row, at: sequence + 1, session)
                if one != .duplicate { sequence += 1 }
                written.append(one)
            }
            return written
        }
    }

    private static func insert(_ row: Row, at sequence: Int64, _ session: borrowing Session) throws(Fault) -> Written {
        try session.run(insertion, [.integer(sequence)] + row.bindings(as: row.score))
        if session.changes == 1 { return .new(sequence: sequence) }
        guard row.replaces, let key = row.key, let old = try replaced(key, route: row.exposure.route, session) else {
            return .duplicate
        }
        // A correction that is sent again says nothing new.
        guard old.score.value != row.value else { return .duplicate }
        var score = old.score
        (score.value, score.previous, score.at) = (row.value, old.score.value, row.at)
        try session.run("UPDATE feedback SET key = NULL WHERE sequence = ?", [.integer(old.sequence)])
        try session.run(insertion, [.integer(sequence)] + row.bindings(as: score))
        return .replaced(sequence: sequence, score)
    }

    private static let insertion =
        """
        INSERT INTO feedback (sequence, key, route, variant, unit, metric, value, at, exposed_at, request, propensity,
            table_position, previous)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING
        """

    private static let columns = "sequence, variant, unit, metric, value, at, exposed_at, request, propensity, previous"

    /// The row that holds a key. A correction stays with the exposure that the first event was joined to.
    private static func replaced(_ key: String, route: RouteID, _ session: borrowing Session) throws(Fault) -> Kept? {
        try session.rows("SELECT \(columns) FROM feedback WHERE key = ?", [.text(key)]).first.flatMap { Kept($0, route: route) }
    }

    /// Rows of a route in `(after, upTo]`, in order, at most `limit`.
    func rows(of route: RouteID, after: Int64, upTo: Int64, limit: Int) async throws(Fault) -> [Kept] {
        try await database.read { session throws(Fault) in
            try session.rows(
                """
                SELECT \(Self.columns) FROM feedback
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
    fileprivate func bindings(as score: Score) -> [SQLValue] {
        [
            key.map { .text($0) } ?? .null, .integer(Int64(score.route.number)), .integer(Int64(score.variant.number)),
            .integer(Int64(bitPattern: score.unit)), .text(score.metric), .real(score.value), .integer(score.at.milliseconds),
            .integer(score.exposedAt.milliseconds), .text((score.request ?? exposure.request).description),
            .integer(Int64(score.propensity)), .integer(exposure.tablePosition), score.previous.map { .real($0) } ?? .null,
        ]
    }

    var score: Score {
        Score(
            request: exposure.request, route: exposure.route, variant: exposure.variant, unit: exposure.unit,
            propensity: exposure.propensity, metric: metric, value: value, exposedAt: exposure.at, at: at)
    }
}

extension FeedbackTable.Kept {
    fileprivate init?(_ row: [SQLValue], route: RouteID) {
        guard row.count == 10, let sequence = row[0].integerValue, let variant = row[1].integerValue,
            let unit = row[2].integerValue, let metric = row[3].textValue, let value = row[4].realValue,
            let at = row[5].integerValue, let exposedAt = row[6].integerValue, let request = row[7].textValue,
            let propensity = row[8].integerValue
        else { return nil }
        self.init(
            sequence: sequence,
            score: Score(
                request: RequestID(request), route: route, variant: VariantID(UInt8(truncatingIfNeeded: variant)),
                unit: UInt64(bitPattern: unit), propensity: UInt16(truncatingIfNeeded: propensity), metric: metric, value: value,
                previous: row[9].realValue, exposedAt: Timestamp(milliseconds: exposedAt), at: Timestamp(milliseconds: at)))
    }
}
