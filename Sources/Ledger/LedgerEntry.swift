public import Faults
public import JSON
public import Telemetry

/// What an entry is about: one release, one route, one model. Each resource has its own head.
public struct ResourceID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let kind: String
    public let name: String
    public init(_ kind: String, _ name: String) { (self.kind, self.name) = (kind, name) }
    public var description: String { "\(kind)/\(name)" }
    public static func < (a: ResourceID, b: ResourceID) -> Bool { (a.kind, a.name) < (b.kind, b.name) }
}

/// The index of an entry in the ledger, from 0. `Position.none` is before the first.
public struct Position: Hashable, Comparable, Sendable, Codable {
    public var index: Int64
    public init(_ index: Int64) { self.index = index }
    public static let none = Position(-1)
    public static func < (a: Position, b: Position) -> Bool { a.index < b.index }
}

/// What a service wants recorded. `by` says on whose behalf: "token:admin", "conductor", "cli".
public struct LedgerDraft: Sendable, Equatable {
    public var kind: String  // "release.event", "route.split"
    public var by: String
    public var body: JSONValue
    public init(kind: String, by: String, body: JSONValue) { (self.kind, self.by, self.body) = (kind, by, body) }
}

/// One recorded decision. Its canonical JSON is the leaf of the Merkle tree.
public struct LedgerEntry: Sendable, Equatable {
    public var position: Position
    public var resource: ResourceID
    /// The resource's entry before this one (`.none` for its first).
    public var after: Position
    public var at: Timestamp
    public var kind: String
    public var by: String
    public var body: JSONValue
    /// The leaf hash of the ledger's entry before this one (nil for the first). The root proves that something was changed;
    /// this says where: an altered entry no longer fits the one that follows it.
    public var previous: SHA256Digest?

    /// `{"after","at","body","by","index","kind","previous","resource"}`; `after` is null and `previous`
    /// is empty for a first one.
    public var json: JSONValue {
        [
            "after": after == .none ? .null : .integer(after.index),
            "at": .string(at.rfc3339),
            "body": body,
            "by": .string(by),
            "index": .integer(position.index),
            "kind": .string(kind),
            "previous": .string(previous?.base64 ?? ""),
            "resource": .string(resource.description),
        ]
    }
}

extension LedgerEntry {
    private static let members: Set = ["after", "at", "body", "by", "index", "kind", "previous", "resource"]

    /// Reads what `json` writes, and nothing else: an entry with a member too many is not one of ours.
    public init(json: JSONValue) throws(Fault) {
        guard let object = json.objectValue, Set(object.keys) == LedgerEntry.members, let body = object["body"] else {
            throw LedgerEntry.malformed(
                "it does not have exactly the members \(LedgerEntry.members.sorted().joined(separator: ", "))")
        }
        guard let index = object["index"]?.integerValue, index >= 0 else { throw LedgerEntry.malformed("its index is no count") }
        guard let kind = object["kind"]?.stringValue, let by = object["by"]?.stringValue else {
            throw LedgerEntry.malformed("its kind or by is no text")
        }
        guard let at = object["at"]?.stringValue.flatMap({ Timestamp(rfc3339: $0) }) else {
            throw LedgerEntry.malformed("its time is not RFC 3339")
        }
        guard let resource = object["resource"]?.stringValue.flatMap({ ResourceID(parsing: $0) }) else {
            throw LedgerEntry.malformed("its resource is not `kind/name`")
        }
        let after: Position? = object["after"] == .null ? Position.none : object["after"]?.integerValue.map { Position($0) }
        guard let after, after < Position(index) else { throw LedgerEntry.malformed("it comes after no earlier entry") }
        var previous: SHA256Digest?
        if object["previous"] != "" {
            previous = object["previous"]?.stringValue.flatMap { SHA256Digest(base64: $0) }
            guard previous != nil else { throw LedgerEntry.malformed("its previous is no base64 of a hash") }
        }
        self.init(
            position: Position(index), resource: resource, after: after, at: at, kind: kind, by: by, body: body, previous: previous)
    }

    /// The leaf of an entry is its canonical JSON.
    var leafHash: SHA256Digest { MerkleTree.leafHash(Array(json.canonicalText.utf8)) }

    private static func malformed(_ why: String) -> Fault {
        Fault(
            what: "This is not a ledger entry.", why: "Read as one, \(why).",
            fix: "Find where it was changed: openclaw audit verify.")
    }
}

extension ResourceID {
    /// Reads `kind/name`; the name may contain slashes.
    public init?(parsing text: String) {
        guard let slash = text.firstIndex(of: "/") else { return nil }
        let (kind, name) = (String(text[..<slash]), String(text[text.index(after: slash)...]))
        guard !kind.isEmpty, !name.isEmpty else { return nil }
        self.init(kind, name)
    }
}
