import Faults
import HTTP
import JSON
import Ledger

/// `/api/v1/audit`: the ledger's entries and their proofs.
enum AuditRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/audit/entries", .scope(.read), "The newest entries, oldest first",
            query: [
                .init("kind", "Only of this kind of resource: release, route, model, ..."),
                .init("name", "Only of the resource so named"),
                .init("before", "Only entries with a smaller index (for the page before)"),
                .init("limit", "At most so many, 1 to 1000; standard 20"),
            ], gives: .object(["entries": .array(of: entry), "count": .integer("How many entries the ledger has")])
        ) { call throws(Fault) in
            let limit = try call.query("limit", default: 20, in: 1...1_000)
            let before = try call.query("before", default: .max, in: 0...Int.max)
            let reader = try call.services.ledger.reader
            let entries = try await reader.latest(
                kind: call.request.query("kind"), name: call.request.query("name"), before: Position(Int64(before)), limit: limit)
            return .json(["entries": .array(entries.reversed().map(\.json)), "count": .integer(try await reader.count())])
        },
        Endpoint(
            .get, "/api/v1/audit/entries/{index}", .scope(.read), "One entry and its leaf hash",
            gives: .object(["index": .integer("Its index"), "leaf": hash, "entry": entry])
        ) { call throws(Fault) in
            let reader = try call.services.ledger.reader
            return .json(try await reader.show(try position(call)))
        },
        Endpoint(
            .get, "/api/v1/audit/entries/{index}/proof", .scope(.read),
            "The proof that an entry is in the ledger: RFC 6962, 2.1.1, under a signed checkpoint",
            gives: .object([
                "index": .integer("Its index"), "leaf": hash, "entry": entry, "size": .integer("Of the tree"), "root": hash,
                "proof": .array(of: hash), "checkpoint": note,
            ])
        ) { call throws(Fault) in .json(try await call.services.ledger.reader.prove(try position(call))) },
        Endpoint(
            .get, "/api/v1/audit/consistency", .scope(.read),
            "The proof that the ledger at one size is the beginning of the ledger at a later one: RFC 6962, 2.1.2",
            query: [.init("old", "The smaller size", required: true), .init("new", "The larger size", required: true)],
            gives: .object([
                "old": .integer("The smaller size"), "new": .integer("The larger size"), "old_root": hash, "new_root": hash,
                "proof": .array(of: hash),
            ])
        ) { call throws(Fault) in
            let old = try call.query("old", default: 0, in: 0...Int.max)
            let new = try call.query("new", default: 0, in: 0...Int.max)
            return .json(try await call.services.ledger.reader.consistency(from: Int64(old), to: Int64(new)))
        },
        Endpoint(
            .get, "/api/v1/audit/checkpoint", .scope(.read), "A checkpoint over everything up to now (C2SP tlog-checkpoint)",
            gives: .object([
                "checkpoint": note, "origin": .string("Which ledger"), "size": .integer("Entries"), "root": hash,
                "verifier_key": .string("Who can check it (C2SP signed-note verifier key)"),
            ])
        ) { call throws(Fault) in
            let ledger = try call.services.ledger
            let signed = try SignedCheckpoint(parsing: try await ledger.checkpoint())
            return .json([
                "checkpoint": .string(signed.text), "origin": .string(signed.checkpoint.origin),
                "size": .integer(signed.checkpoint.size),
                "root": .string(signed.checkpoint.root.base64), "verifier_key": .string(ledger.verifierKey.text),
            ])
        },
        Endpoint(
            .get, "/api/v1/audit/verify", .scope(.read), "What the daemon finds when it verifies its own ledger",
            gives: .object(
                [
                    "ok": .boolean("Whether all is as recorded"), "entries": .integer("How many"),
                    "first_bad": Schema.integer("The first that is not").orNull,
                ], open: true)
        ) { call throws(Fault) in .json(try await call.services.ledger.verify().json) },
        Endpoint(
            .get, "/api/v1/audit/export", .scope(.read), "Every entry as a line of JSON, the checkpoint over them last",
            answers: .text(type: "application/jsonl")
        ) { call throws(Fault) in
            .stream(lines(of: try await call.services.ledger.reader.export()), type: "application/jsonl")
        },
    ]

    private static let hash = Schema.string("SHA-256 in base64")
    private static let note = Schema.string("A signed note: origin, size, root, and the signature")
    private static let entry = Schema.object(
        [
            "index": .integer("Its place in the ledger"), "resource": .string("kind/name"),
            "after": Schema.integer("The resource's entry before it").orNull,
            "previous": .string("The leaf hash of the entry before it"),
            "at": .string("RFC 3339"), "kind": .string("What happened"), "by": .string("On whose behalf"),
            "body": .any("The facts"),
        ])

    private static func position(_ call: Call) throws(Fault) -> Position {
        guard let index = Int64(call["index"]), index >= 0 else {
            throw Fault(
                .usage, what: "'\(call["index"])' is not an entry.", why: "Entries are numbered from 0.",
                fix: "openclaw audit log lists the newest.")
        }
        return Position(index)
    }

    /// A read that fails ends the stream early; the checkpoint, which is the last line, is then missing.
    private static func lines(of export: LedgerExport) -> AsyncStream<[UInt8]> {
        let cursor = ExportCursor(export)
        return AsyncStream { await cursor.next() }
    }
}

/// How far one client has read an export.
private actor ExportCursor {
    private var export: LedgerExport
    init(_ export: LedgerExport) { self.export = export }

    func next() async -> [UInt8]? {
        var export = self.export
        let page = try? await export.page()
        self.export = export
        return page
    }
}
