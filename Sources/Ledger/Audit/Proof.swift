public import Faults
public import JSON

/// The inclusion of one entry as it is published, checked without trusting who published it.
public struct InclusionProof: Sendable {
    public struct Check: Equatable, Sendable {
        public let isIncluded: Bool
        public let signature: AuditVerdict.Signature
        public var isGood: Bool { isIncluded && signature != .bad }
    }

    private let index: Int64
    private let entry: JSONValue
    private let leaf: SHA256Digest
    private let hashes: [SHA256Digest]
    private let signed: SignedCheckpoint

    /// Reads `{"index","leaf","entry","size","root","proof","checkpoint"}`.
    public init(_ json: JSONValue) throws(Fault) {
        guard let index = json["index"]?.integerValue, let entry = json["entry"], let leaf = json["leaf"]?.digest,
            let hashes = json["proof"]?.digests, let note = json["checkpoint"]?.stringValue
        else { throw malformedProof("an inclusion proof", "index, leaf, entry, proof and checkpoint") }
        (self.index, self.entry, self.leaf, self.hashes) = (index, entry, leaf, hashes)
        signed = try SignedCheckpoint(parsing: note)
        guard json["size"]?.integerValue == signed.checkpoint.size, json["root"]?.digest == signed.checkpoint.root else {
            throw malformedProof("an inclusion proof", "the size and root of its checkpoint")
        }
    }

    /// Whether the entry's own text has the leaf, the leaf leads to the checkpoint's root, and the checkpoint is signed.
    public func check(_ key: AuditKey) -> Check {
        let isItsLeaf = MerkleTree.leafHash(Array(entry.canonicalText.utf8)) == leaf && entry["index"]?.integerValue == index
        let isIncluded =
            isItsLeaf
            && MerkleTree.verifyInclusion(
                of: leaf, at: index, inSize: signed.checkpoint.size, proof: hashes, root: signed.checkpoint.root)
        return Check(isIncluded: isIncluded, signature: key.check(signed))
    }
}

/// The consistency of two sizes as it is published.
public struct ConsistencyProof: Sendable {
    private let old: Int64
    private let new: Int64
    private let oldRoot: SHA256Digest
    private let newRoot: SHA256Digest
    private let hashes: [SHA256Digest]

    /// Reads `{"old","new","old_root","new_root","proof"}`.
    public init(_ json: JSONValue) throws(Fault) {
        guard let old = json["old"]?.integerValue, let new = json["new"]?.integerValue, let oldRoot = json["old_root"]?.digest,
            let newRoot = json["new_root"]?.digest, let hashes = json["proof"]?.digests
        else { throw malformedProof("a consistency proof", "old, new, old_root, new_root and proof") }
        (self.old, self.new, self.oldRoot, self.newRoot, self.hashes) = (old, new, oldRoot, newRoot, hashes)
    }

    public var isGood: Bool {
        MerkleTree.verifyConsistency(from: old, oldRoot: oldRoot, to: new, newRoot: newRoot, proof: hashes)
    }
}

extension JSONValue {
    fileprivate var digest: SHA256Digest? { stringValue.flatMap { SHA256Digest(base64: $0) } }

    /// All of them, or nil when one is none.
    fileprivate var digests: [SHA256Digest]? {
        guard let items = arrayValue else { return nil }
        let digests = items.compactMap(\.digest)
        return digests.count == items.count ? digests : nil
    }
}

private func malformedProof(_ name: String, _ members: String) -> Fault {
    Fault(what: "This is not \(name).", why: "It needs \(members).", fix: "Ask for it again.")
}
