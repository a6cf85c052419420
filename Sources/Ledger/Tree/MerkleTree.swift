/// The Merkle tree of RFC 6962, section 2.1: how leaves and nodes are hashed, and where a complete subtree is kept.
public enum MerkleTree {
    /// The root of a tree without leaves.
    public static let emptyRoot = SHA256.digest(of: [])

    /// `SHA-256(0x00 || leaf)`
    public static func leafHash(_ leaf: [UInt8]) -> SHA256Digest {
        var bytes: [UInt8] = [0x00]
        bytes.reserveCapacity(leaf.count + 1)
        bytes.append(contentsOf: leaf)
        return SHA256.digest(of: bytes)
    }

    /// `SHA-256(0x01 || left || right)`
    public static func nodeHash(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
        SHA256.digest(of: [0x01] + left.bytes + right.bytes)
    }

    /// The largest power of two smaller than `count`: where RFC 6962 splits a tree of more than one leaf.
    static func split(_ count: Int64) -> Int64 {
        precondition(count > 1)
        return 1 << Int64(63 - (count - 1).leadingZeroBitCount)
    }
}

/// One complete subtree: the leaves from `index << level` up to `(index + 1) << level`. Its hash never changes again.
struct MerkleNode: Hashable, Sendable {
    let level: Int64
    let index: Int64

    /// Its place when the tree is walked in order. The numbers of a growing tree are never given twice, and neighbours in the
    /// tree are neighbours on disk.
    var number: Int64 { index << (level + 1) + (1 << level) - 1 }

    var firstLeaf: Int64 { index << level }
    var parent: MerkleNode { MerkleNode(level: level + 1, index: index >> 1) }
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first. It is all that an append needs.
struct MerkleFrontier: Equatable, Sendable {
    private(set) var size: Int64 = 0
    private(set) var peaks: [SHA256Digest] = []

    /// The complete subtrees whose roots are the peaks of a tree with `size` leaves.
    static func nodes(ofSize size: Int64) -> [MerkleNode] {
        var nodes: [MerkleNode] = []
        var start: Int64 = 0
        for level in stride(from: Int64(62), through: 0, by: -1) where size & (1 << level) != 0 {
            nodes.append(MerkleNode(level: level, index: start >> level))
            start += 1 << level
        }
        return nodes
    }

    init() {}

    /// `peaks` are the hashes of `nodes(ofSize:)`.
    init(size: Int64, peaks: [SHA256Digest]) {
        precondition(peaks.count == size.nonzeroBitCount, "a tree of \(size) leaves has \(size.nonzeroBitCount) peaks")
        (self.size, self.peaks) = (size, peaks)
    }

    /// Adds a leaf; returns every subtree that it completed, itself first.
    @discardableResult
    mutating func append(_ leaf: SHA256Digest) -> [(node: MerkleNode, hash: SHA256Digest)] {
        var completed = [(node: MerkleNode(level: 0, index: size), hash: leaf)]
        var (node, hash) = completed[0]
        while node.index & 1 == 1, let left = peaks.popLast() {
            (node, hash) = (node.parent, MerkleTree.nodeHash(left, hash))
            completed.append((node, hash))
        }
        peaks.append(hash)
        size += 1
        return completed
    }

    var root: SHA256Digest {
        guard var root = peaks.last else { return MerkleTree.emptyRoot }
        for peak in peaks.dropLast().reversed() { root = MerkleTree.nodeHash(peak, root) }
        return root
    }
}
