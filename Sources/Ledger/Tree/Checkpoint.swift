public import Faults

/// What a ledger promises at one moment: how many entries it had, and the root over all of them.
public struct Checkpoint: Equatable, Sendable {
    /// Which ledger: `openclaw/<install id>`.
    public let origin: String
    public let size: Int64
    public let root: SHA256Digest

    public init(origin: String, size: Int64, root: SHA256Digest) { (self.origin, self.size, self.root) = (origin, size, root) }

    /// The text that is signed (C2SP tlog-checkpoint): three lines, each with its line end.
    var note: String { "\(origin)\n\(size)\n\(root.base64)\n" }
}

/// A checkpoint as it is published: a C2SP signed note.
public struct SignedCheckpoint: Equatable, Sendable {
    struct Signature: Equatable {
        let name: String
        let keyHash: [UInt8]
        let bytes: [UInt8]
    }

    /// A note larger than this is no checkpoint.
    private static let bytesMax = 64 << 10

    public let checkpoint: Checkpoint
    /// The whole note, signatures included.
    public let text: String
    /// Everything before the signatures: lines that a later version adds after the root are signed too.
    let note: String
    let signatures: [Signature]

    var isSignedByItsOrigin: Bool { signatures.contains { $0.name == checkpoint.origin } }

    /// Whether one of its signatures claims to be by this key.
    func names(_ key: VerifierKey) -> Bool { signatures.contains { $0.name == key.name || $0.keyHash == key.keyHash } }

    /// Signs with the ledger's own key, whose name is the ledger's origin.
    init(_ checkpoint: Checkpoint, signedBy key: SigningKey) {
        let signature = Signature(
            name: key.name, keyHash: key.verifier.keyHash, bytes: key.privateKey.sign(Array(checkpoint.note.utf8)))
        (self.checkpoint, note, signatures) = (checkpoint, checkpoint.note, [signature])
        text = "\(note)\n\u{2014} \(signature.name) \(Base64.text(of: signature.keyHash + signature.bytes))\n"
    }

    /// Reads a published note. It says nothing about whether a signature is good.
    public init(parsing text: String) throws(Fault) {
        guard text.utf8.count <= SignedCheckpoint.bytesMax, text.hasSuffix("\n"), let end = SignedCheckpoint.noteEnd(of: text)
        else {
            throw SignedCheckpoint.malformed("it is no signed note: a text, an empty line, then lines with signatures")
        }
        (self.text, note) = (text, String(text[..<end]))
        let lines = note.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, !lines[0].isEmpty else {
            throw SignedCheckpoint.malformed("it needs a line each for origin, size and root")
        }
        guard let size = Int64(lines[1]), size >= 0, String(size) == lines[1] else {
            throw SignedCheckpoint.malformed("its second line '\(lines[1].prefix(40))' is no tree size")
        }
        guard let root = SHA256Digest(base64: String(lines[2])) else {
            throw SignedCheckpoint.malformed("its third line is no base64 of 32 bytes")
        }
        checkpoint = Checkpoint(origin: String(lines[0]), size: size, root: root)
        var signatures: [Signature] = []
        for line in text[end...].dropFirst().dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 3, words[0] == "\u{2014}", !words[1].isEmpty, let bytes = Base64.bytes(of: String(words[2])),
                bytes.count > 4
            else { throw SignedCheckpoint.malformed("'\(line.prefix(80))' is no signature line") }
            signatures.append(Signature(name: String(words[1]), keyHash: Array(bytes.prefix(4)), bytes: Array(bytes.dropFirst(4))))
        }
        self.signatures = signatures
    }

    /// Where the last empty line is: the text before it keeps its line end.
    private static func noteEnd(of text: String) -> String.Index? {
        var end: String.Index?
        var index = text.startIndex
        while index < text.endIndex {
            let next = text.index(after: index)
            if text[index] == "\n", next < text.endIndex, text[next] == "\n" { end = next }
            index = next
        }
        guard let end, text.index(after: end) < text.endIndex else { return nil }
        return end
    }

    private static func malformed(_ why: String) -> Fault {
        Fault(
            .badConfiguration, what: "This is not a checkpoint.", why: "Read as a C2SP tlog-checkpoint, \(why).",
            fix: "Take the text as `openclaw audit checkpoint` prints it, with all its line ends.")
    }
}
