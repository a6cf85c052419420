import JSON

/// One entry as a file gives it, true or not.
struct AuditItem {
    /// The index that stands beside it.
    var index: Int64?
    /// The leaf hash that stands beside it.
    var leaf: SHA256Digest?
    /// The entry itself, and the hash of its own text.
    var entry: LedgerEntry?
    var hash: SHA256Digest?
    /// Why it could not be read at all.
    var problem: String?

    init(index: Int64?, leaf: SHA256Digest?, entry: LedgerEntry?, hash: SHA256Digest?, problem: String? = nil) {
        (self.index, self.leaf, self.entry, self.hash, self.problem) = (index, leaf, entry, hash, problem)
    }

    init(problem: String) { self.init(index: nil, leaf: nil, entry: nil, hash: nil, problem: problem) }
}

/// Follows entries one by one and says at which index they first depart from what was recorded. It keeps the tree's right edge
/// and the head of each resource, never the entries.
///
/// A changed entry that was given a fitting leaf hash is betrayed by the entry after it, which carries the leaf hash of its
/// predecessor. So where two neighbours do not fit, the next one is asked which of them it knows.
struct AuditTrail {
    /// Heads kept at once. Beyond these the chain of a resource is not followed; tree and neighbours still are.
    private static let resourcesMax = 1 << 18

    struct Finding: Equatable {
        let index: Int64
        let why: String
    }

    private struct Suspicion {
        let item: AuditItem
        let why: String
        /// Entry and leaf are as they should be; only the neighbour before it is another than it says.
        let isOnlyTheNeighbour: Bool
    }

    private(set) var count: Int64 = 0
    private(set) var finding: Finding?
    /// Over the hashes of the entries as they are.
    private(set) var frontier = MerkleFrontier()
    private(set) var heads: [ResourceID: Int64] = [:]
    private var last: SHA256Digest?
    private var lastButOne: SHA256Digest?
    private var suspicion: Suspicion?
    private var claims = Claims()

    /// Whether all is well so far; the tree grows no further after a finding.
    var isFollowing: Bool { finding == nil && suspicion == nil }
    var followsAllResources: Bool { heads.count < AuditTrail.resourcesMax }

    /// Returns the subtrees that the entry completed, for who can compare them with stored ones.
    @discardableResult
    mutating func take(_ item: AuditItem) -> [(node: MerkleNode, hash: SHA256Digest)] {
        defer { count += 1 }
        claims.take(item, at: count)
        guard finding == nil else { return [] }
        if suspicion != nil {
            settle(successor: item)
            return []
        }
        if let why = fault(of: item) {
            suspicion = Suspicion(item: item, why: why.text, isOnlyTheNeighbour: why.isOnlyTheNeighbour)
            return []
        }
        guard let entry = item.entry, let hash = item.hash else { preconditionFailure("an item without fault has an entry") }
        (lastButOne, last) = (last, hash)
        if heads[entry.resource] != nil || heads.count < AuditTrail.resourcesMax { heads[entry.resource] = count }
        return frontier.append(hash)
    }

    /// There is nothing more to come.
    mutating func finish() {
        if suspicion != nil { settle(successor: nil) }
        claims.finish()
    }

    /// Replaces a finding by the exact one, where what the entries say of each other is the tree that was signed.
    mutating func consult(_ signed: Checkpoint) {
        guard let found = finding, claims.frontier.size == signed.size, claims.frontier.root == signed.root else { return }
        if let exact = claims.firstDenied {
            finding = Finding(index: exact, why: found.index == exact ? found.why : AuditTrail.denied(exact))
        }
    }

    private static func denied(_ index: Int64) -> String {
        "entry \(index) is not the one that the entry after it was recorded after"
    }

    /// Somebody who knows more than the entries found something.
    mutating func report(_ index: Int64, _ why: String) {
        if finding == nil && suspicion == nil { finding = Finding(index: index, why: why) }
    }

    private func fault(of item: AuditItem) -> (text: String, isOnlyTheNeighbour: Bool)? {
        guard let entry = item.entry, let hash = item.hash else { return (item.problem ?? "it cannot be read", false) }
        if let index = item.index, index != count { return ("where entry \(count) should be, index \(index) is", false) }
        if entry.position.index != count { return ("where entry \(count) should be, entry \(entry.position.index) is", false) }
        if let leaf = item.leaf, leaf != hash { return ("the leaf hash of entry \(count) is not that of its text", false) }
        if item.leaf == nil { return ("the leaf hash of entry \(count) is missing", false) }
        if let problem = item.problem { return (problem, false) }
        if entry.previous != last { return ("entry \(count) was recorded after another entry \(count - 1)", true) }
        let head = heads[entry.resource] ?? Position.none.index
        let isFollowed = heads[entry.resource] != nil || heads.count < AuditTrail.resourcesMax
        if isFollowed && entry.after.index != head {
            return ("entry \(count) says that \(entry.resource) stood at \(entry.after.index); it stood at \(head)", false)
        }
        return nil
    }

    /// The suspicious entry stands at `count - 1`, after one that seemed good; the one after it tells whom it knows.
    private mutating func settle(successor: AuditItem?) {
        guard let suspicion else { return }
        let place = count - 1
        self.suspicion = nil
        finding = Finding(index: accusesPredecessor(suspicion, successor) ? place - 1 : place, why: suspicion.why)
    }

    private func accusesPredecessor(_ suspicion: Suspicion, _ successor: AuditItem?) -> Bool {
        guard let entry = suspicion.item.entry, let hash = suspicion.item.hash, let last else { return false }
        // A copy of the one before it was added.
        if hash == last { return false }
        // The next one follows on the one before: what stands between them was inserted.
        if let entry = successor?.entry, entry.previous == last { return false }
        // It follows on the one before the one before: that one was inserted.
        if entry.previous == lastButOne { return true }
        // It is whole, and the next one knows it: so the one before it was altered.
        return suspicion.isOnlyTheNeighbour && (successor?.entry == nil || successor?.entry?.previous == hash)
    }
}

/// The tree as each entry knows it of the one before: the leaf of an entry is what its successor says it is. A forger who
/// alters entries and their leaves leaves this tree as it was.
private struct Claims {
    private(set) var frontier = MerkleFrontier()
    /// The first entry that is not what its successor says.
    private(set) var firstDenied: Int64?
    private var last: AuditItem?
    private var isBroken = false

    mutating func take(_ item: AuditItem, at place: Int64) {
        if let last { close(last, at: place - 1, claimed: item.entry?.previous) }
        last = item
    }

    /// Nobody speaks for the last one but itself.
    mutating func finish() {
        if let last { close(last, at: frontier.size, claimed: last.hash) }
        last = nil
    }

    private mutating func close(_ item: AuditItem, at place: Int64, claimed: SHA256Digest?) {
        // A successor that cannot be read says nothing, and then the tree is not known.
        guard let claimed, !isBroken else {
            isBroken = true
            return
        }
        frontier.append(claimed)
        let fits = item.hash == claimed && item.leaf == claimed && (item.index ?? place) == place
        if !fits && firstDenied == nil { firstDenied = place }
    }
}
