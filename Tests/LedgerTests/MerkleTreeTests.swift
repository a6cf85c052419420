import Faults
import Testing

@testable import Ledger

/// The definitions of RFC 6962, section 2.1, written down as they stand there: what the fast code is compared with.
enum Definition {
    static func root(_ leaves: ArraySlice<SHA256Digest>) -> SHA256Digest {
        guard leaves.count > 1 else { return leaves.first ?? MerkleTree.emptyRoot }
        let k = split(leaves.count)
        return MerkleTree.nodeHash(root(leaves.prefix(k)), root(leaves.dropFirst(k)))
    }

    static func path(_ m: Int, _ leaves: ArraySlice<SHA256Digest>) -> [SHA256Digest] {
        guard leaves.count > 1 else { return [] }
        let k = split(leaves.count)
        return m < k
            ? path(m, leaves.prefix(k)) + [root(leaves.dropFirst(k))] : path(m - k, leaves.dropFirst(k)) + [root(leaves.prefix(k))]
    }

    static func subproof(_ m: Int, _ leaves: ArraySlice<SHA256Digest>, _ isKnown: Bool) -> [SHA256Digest] {
        if m == leaves.count { return isKnown ? [] : [root(leaves)] }
        let k = split(leaves.count)
        return m <= k
            ? subproof(m, leaves.prefix(k), isKnown) + [root(leaves.dropFirst(k))]
            : subproof(m - k, leaves.dropFirst(k), false) + [root(leaves.prefix(k))]
    }

    private static func split(_ n: Int) -> Int {
        var k = 1
        while k * 2 < n { k *= 2 }
        return k
    }
}

/// A tree in memory, kept as the ledger keeps it: only complete subtrees.
struct StoredTree {
    var leaves: [SHA256Digest] = []
    var frontier = MerkleFrontier()
    var nodes: [Int64: SHA256Digest] = [:]

    init(size: Int) { for index in 0..<size { append(MerkleTree.leafHash(Array("entry \(index)".utf8))) } }

    mutating func append(_ leaf: SHA256Digest) {
        leaves.append(leaf)
        for (node, hash) in frontier.append(leaf) {
            precondition(nodes.updateValue(hash, forKey: node.number) == nil, "a number was given twice")
        }
    }

    func hash(_ node: MerkleNode) throws(Fault) -> SHA256Digest {
        guard let hash = nodes[node.number] else { throw Fault(what: "\(node)", why: "is not stored", fix: "") }
        return hash
    }
}

@Suite struct MerkleTreeTests {
    // The eight leaves and the roots with which Certificate Transparency implementations are tested.
    static let leaves = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ].map { MerkleTree.leafHash(Hexadecimal.bytes(of: $0)!) }
    static let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    @Test func `the roots are the published ones`() {
        var frontier = MerkleFrontier()
        #expect(frontier.root.hex == Self.roots[0])
        for (leaf, root) in zip(Self.leaves, Self.roots.dropFirst()) {
            frontier.append(leaf)
            #expect(frontier.root.hex == root)
        }
    }

    @Test func `the proofs are the published ones`() throws {
        var tree = StoredTree(size: 0)
        for leaf in Self.leaves { tree.append(leaf) }
        let first = try MerkleProof.inclusion(of: 0, inSize: 8, tree.hash)
        #expect(
            first.map(\.hex) == [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ])
        let grown = try MerkleProof.consistency(from: 6, to: 8, tree.hash)
        #expect(
            grown.map(\.hex) == [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ])
    }

    @Test func `for every size up to 130 root, inclusion and consistency are as RFC 6962 defines them, and verify`() throws {
        let tree = StoredTree(size: 130)
        for size in 0...130 {
            let leaves = tree.leaves.prefix(size)
            let root = try MerkleProof.root(ofSize: Int64(size), tree.hash)
            #expect(root == Definition.root(leaves))
            for index in 0..<size {
                let proof = try MerkleProof.inclusion(of: Int64(index), inSize: Int64(size), tree.hash)
                #expect(proof == Definition.path(index, leaves))
                #expect(
                    MerkleTree.verifyInclusion(
                        of: tree.leaves[index], at: Int64(index), inSize: Int64(size), proof: proof, root: root))
            }
            for old in 0...size {
                let proof = try MerkleProof.consistency(from: Int64(old), to: Int64(size), tree.hash)
                #expect(proof == (old == 0 ? [] : Definition.subproof(old, leaves, true)))
                let oldRoot = try MerkleProof.root(ofSize: Int64(old), tree.hash)
                #expect(
                    MerkleTree.verifyConsistency(
                        from: Int64(old), oldRoot: oldRoot, to: Int64(size), newRoot: root, proof: proof))
            }
        }
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `a proof that was changed in any way is refused`(seed: UInt64) throws {
        var random = Xorshift(seed: seed)
        let tree = StoredTree(size: Int.random(in: 2...9_000, using: &random))
        let size = Int64(tree.leaves.count)
        let root = tree.frontier.root
        for _ in 0..<40 {
            let index = Int64.random(in: 0..<size, using: &random)
            let leaf = tree.leaves[Int(index)]
            let proof = try MerkleProof.inclusion(of: index, inSize: size, tree.hash)
            let isIncluded = { (leaf: SHA256Digest, index: Int64, proof: [SHA256Digest], root: SHA256Digest) in
                MerkleTree.verifyInclusion(of: leaf, at: index, inSize: size, proof: proof, root: root)
            }
            #expect(isIncluded(leaf, index, proof, root), "seed \(seed)")
            #expect(!isIncluded(tree.leaves[Int((index + 1) % size)], index, proof, root), "seed \(seed)")
            #expect(!isIncluded(leaf, (index + 1) % size, proof, root), "seed \(seed)")
            #expect(!isIncluded(leaf, index, proof + [root], root), "seed \(seed)")
            #expect(!isIncluded(leaf, index, Array(proof.dropLast()), root), "seed \(seed)")
            #expect(!isIncluded(leaf, index, proof, leaf), "seed \(seed)")
            let old = Int64.random(in: 1..<size, using: &random)
            let oldRoot = try MerkleProof.root(ofSize: old, tree.hash)
            let grown = try MerkleProof.consistency(from: old, to: size, tree.hash)
            let isGrown = { (old: Int64, oldRoot: SHA256Digest, proof: [SHA256Digest]) in
                MerkleTree.verifyConsistency(from: old, oldRoot: oldRoot, to: size, newRoot: root, proof: proof)
            }
            #expect(isGrown(old, oldRoot, grown), "seed \(seed)")
            #expect(!isGrown(old, leaf, grown), "seed \(seed)")
            #expect(!isGrown(old, oldRoot, grown + [leaf]), "seed \(seed)")
            #expect(!isGrown(old, oldRoot, Array(grown.dropLast())), "seed \(seed)")
            #expect(!isGrown(old, oldRoot, Array(grown.reversed())) || grown.count < 2, "seed \(seed)")
        }
    }

    @Test func `sizes and indexes that make no sense are refused, not crashed on`() {
        let digest = MerkleTree.emptyRoot
        for (index, size) in [(-1, 1), (0, 0), (1, 1), (5, 3), (Int64.max, Int64.max), (0, -4)] as [(Int64, Int64)] {
            #expect(!MerkleTree.verifyInclusion(of: digest, at: index, inSize: size, proof: [], root: digest))
        }
        for (old, new) in [(-1, 1), (2, 1), (1, Int64.max), (-5, -5)] as [(Int64, Int64)] {
            #expect(!MerkleTree.verifyConsistency(from: old, oldRoot: digest, to: new, newRoot: digest, proof: []))
        }
    }

    @Test func `a frontier taken up again grows like one that never stopped`() throws {
        let tree = StoredTree(size: 100)
        for size in 0..<100 {
            let peaks = try MerkleFrontier.nodes(ofSize: Int64(size)).map { try tree.hash($0) }
            var frontier = MerkleFrontier(size: Int64(size), peaks: peaks)
            for leaf in tree.leaves.dropFirst(size) { frontier.append(leaf) }
            #expect(frontier == tree.frontier)
        }
    }
}

/// A generator that replays from its seed.
struct Xorshift: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
