import Faults

/// Proofs of RFC 6962: that an entry is in a tree (2.1.1), and that a tree is the beginning of a later one (2.1.2).
/// They are made from the hashes of complete subtrees, of which a proof needs about log2(size).
enum MerkleProof {
    /// Looks up the hash of a complete subtree.
    typealias Lookup = (MerkleNode) throws(Fault) -> SHA256Digest

    /// The root of the tree over the first `size` leaves.
    static func root(ofSize size: Int64, _ hash: Lookup) throws(Fault) -> SHA256Digest {
        size == 0 ? MerkleTree.emptyRoot : try root(of: 0..<size, hash)
    }

    /// PATH(index, D[size]): from the leaf's sibling up to the child of the root.
    static func inclusion(of index: Int64, inSize size: Int64, _ hash: Lookup) throws(Fault) -> [SHA256Digest] {
        precondition(0 <= index && index < size)
        return try path(to: index, in: 0..<size, hash)
    }

    /// PROOF(old, D[new]).
    static func consistency(from old: Int64, to new: Int64, _ hash: Lookup) throws(Fault) -> [SHA256Digest] {
        precondition(0 <= old && old <= new)
        return old == 0 ? [] : try subproof(of: old, in: 0..<new, isKnown: true, hash)
    }

    private static func root(of leaves: Range<Int64>, _ hash: Lookup) throws(Fault) -> SHA256Digest {
        let count = leaves.upperBound - leaves.lowerBound
        if count.nonzeroBitCount == 1 {
            let level = Int64(count.trailingZeroBitCount)
            return try hash(MerkleNode(level: level, index: leaves.lowerBound >> level))
        }
        let (left, right) = halves(leaves)
        return MerkleTree.nodeHash(try root(of: left, hash), try root(of: right, hash))
    }

    private static func path(to index: Int64, in leaves: Range<Int64>, _ hash: Lookup) throws(Fault) -> [SHA256Digest] {
        guard leaves.count > 1 else { return [] }
        let (left, right) = halves(leaves)
        return left.contains(index)
            ? try path(to: index, in: left, hash) + [try root(of: right, hash)]
            : try path(to: index, in: right, hash) + [try root(of: left, hash)]
    }

    /// `isKnown` says whether the root over `leaves` is the old root, which the verifier has.
    private static func subproof(of old: Int64, in leaves: Range<Int64>, isKnown: Bool, _ hash: Lookup) throws(Fault)
        -> [SHA256Digest]
    {
        guard old < leaves.upperBound else { return isKnown ? [] : [try root(of: leaves, hash)] }
        let (left, right) = halves(leaves)
        return old <= left.upperBound
            ? try subproof(of: old, in: left, isKnown: isKnown, hash) + [try root(of: right, hash)]
            : try subproof(of: old, in: right, isKnown: false, hash) + [try root(of: left, hash)]
    }

    private static func halves(_ leaves: Range<Int64>) -> (left: Range<Int64>, right: Range<Int64>) {
        let middle = leaves.lowerBound + MerkleTree.split(leaves.upperBound - leaves.lowerBound)
        return (leaves.lowerBound..<middle, middle..<leaves.upperBound)
    }
}

extension MerkleTree {
    /// Whether `proof` shows that `leaf` is number `index` in the tree of `size` leaves with this root.
    public static func verifyInclusion(
        of leaf: SHA256Digest, at index: Int64, inSize size: Int64, proof: [SHA256Digest], root: SHA256Digest
    ) -> Bool {
        guard 0 <= index, index < size else { return false }
        // Two walkers climb the tree: from the leaf, and along the right edge, where a node without a sibling is its own parent.
        var (node, last, hash) = (index, size - 1, leaf)
        for sibling in proof {
            guard last > 0 else { return false }
            if node & 1 == 1 || node == last {
                hash = nodeHash(sibling, hash)
                while node & 1 == 0 && node != 0 { (node, last) = (node >> 1, last >> 1) }
            } else {
                hash = nodeHash(hash, sibling)
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && hash == root
    }

    /// Whether `proof` shows that the tree of `old` leaves is the beginning of the tree of `new` leaves.
    public static func verifyConsistency(
        from old: Int64, oldRoot: SHA256Digest, to new: Int64, newRoot: SHA256Digest, proof: [SHA256Digest]
    ) -> Bool {
        guard 0 <= old, old <= new else { return false }
        if old == new { return proof.isEmpty && oldRoot == newRoot }
        if old == 0 { return proof.isEmpty && oldRoot == emptyRoot }
        // A complete old tree is a subtree of the new one, and its root is not sent again.
        let path = old.nonzeroBitCount == 1 ? [oldRoot] + proof : proof
        guard let first = path.first else { return false }
        var (node, last) = (old - 1, new - 1)
        while node & 1 == 1 { (node, last) = (node >> 1, last >> 1) }
        var (oldHash, newHash) = (first, first)
        for sibling in path.dropFirst() {
            guard last > 0 else { return false }
            if node & 1 == 1 || node == last {
                oldHash = nodeHash(sibling, oldHash)
                newHash = nodeHash(sibling, newHash)
                while node & 1 == 0 && node != 0 { (node, last) = (node >> 1, last >> 1) }
            } else {
                newHash = nodeHash(newHash, sibling)
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && oldHash == oldRoot && newHash == newRoot
    }
}
