import Faults
import Glibc
import TestFolders
import Testing

@testable import Ledger

@Suite struct LedgerKeyTests {
    // The key of Go's checksum database, and the example in the documentation of Go's package for signed notes.
    @Test func `published keys are read, and a published signature verifies`() throws {
        let database = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        #expect(try VerifierKey(parsing: database).text == database)
        let key = try VerifierKey(parsing: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
        let signature = try #require(
            Base64.bytes(
                of: "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="))
        #expect(Array(signature.prefix(4)) == key.keyHash)
        #expect(key.publicKey.verifies(Array(signature.dropFirst(4)), of: Array(text.utf8)))
    }

    @Test func `the key is made once, for its owner only, and its public half lies beside it`() async throws {
        let folder = Folder()
        let first = try await LedgerWriter.open(directory: folder.path)
        await first.close()
        var status = stat()
        #expect(unsafe stat(folder.path + "/ledger.key", &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(Folder.bytes(of: folder.path + "/ledger.vkey") == Array((first.verifierKey.text + "\n").utf8))
        #expect(try VerifierKey(parsing: first.verifierKey.text) == first.verifierKey)
        let second = try await LedgerWriter.open(directory: folder.path)
        await second.close()
        #expect(second.verifierKey == first.verifierKey)
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o666, 0o700 | 0o010] as [mode_t])
    func `a key that others may touch stops the start`(mode: mode_t) async throws {
        let folder = Folder()
        await (try LedgerWriter.open(directory: folder.path)).close()
        unsafe chmod(folder.path + "/ledger.key", mode)
        let thrown = await fault { try await LedgerWriter.open(directory: folder.path) }
        #expect(thrown?.what.contains("open to others") == true)
        unsafe chmod(folder.path + "/ledger.key", 0o600)
        await (try LedgerWriter.open(directory: folder.path)).close()
    }

    @Test func `a missing key stops the start only when something was signed with it`() async throws {
        let folder = Folder()
        var settings = LedgerWriter.Settings()
        settings.boundaries = Boundaries { name in
            if name == LedgerBoundary.beforeCheckpointCommit.rawValue { throw Fault(what: "killed", why: "a test", fix: "") }
        }
        let killed = try await LedgerWriter.open(directory: folder.path, settings: settings)
        try await killed.record(0)
        await killed.close()
        unsafe unlink(folder.path + "/ledger.key")
        let second = try await LedgerWriter.open(directory: folder.path)
        #expect(second.verifierKey.name == killed.verifierKey.name && second.verifierKey != killed.verifierKey)
        await second.close()
        unsafe unlink(folder.path + "/ledger.key")
        let thrown = await fault { try await LedgerWriter.open(directory: folder.path) }
        #expect(thrown?.what.contains("missing") == true)
        #expect(Folder.names(in: folder.path).contains("ledger.key") == false)
    }

    @Test func `a key of another ledger, a spoilt one and a link are refused`() async throws {
        let (folder, other) = (Folder(), Folder())
        for each in [folder, other] { await (try LedgerWriter.open(directory: each.path)).close() }
        let path = folder.path + "/ledger.key"
        let own = Folder.bytes(of: path)
        Folder.write(Folder.bytes(of: other.path + "/ledger.key"), to: path)
        #expect(await fault { try await LedgerWriter.open(directory: folder.path) }?.what.contains("another ledger") == true)
        for spoilt in [Array(own.dropLast(3)), [], own + own, Array("PRIVATE+KEY+a+b+c\n".utf8)] {
            Folder.write(spoilt, to: path)
            #expect(await fault { try await LedgerWriter.open(directory: folder.path) }?.what.contains("cannot be used") == true)
        }
        unsafe unlink(path)
        unsafe symlink(other.path + "/ledger.key", path)
        #expect(await fault { try await LedgerWriter.open(directory: folder.path) }?.why.contains("regular file") == true)
        // Whoever puts the right key back goes on.
        unsafe unlink(path)
        Folder.write(own, to: path)
        await (try LedgerWriter.open(directory: folder.path)).close()
    }

    @Test func `a ledger that is gone is not silently begun anew under its key`() async throws {
        let folder = Folder()
        await (try LedgerWriter.open(directory: folder.path)).close()
        unsafe unlink(folder.path + "/ledger.db")
        #expect(await fault { try await LedgerWriter.open(directory: folder.path) }?.what.contains("is gone") == true)
        unsafe unlink(folder.path + "/ledger.key")
        await (try LedgerWriter.open(directory: folder.path)).close()
    }

    @Test func `a checkpoint is the text that the specification asks for`() async throws {
        let key = SigningKey(name: "openclaw/test", privateKey: Ed25519.PrivateKey(seed: Array(0..<32))!)
        let signed = SignedCheckpoint(Checkpoint(origin: "openclaw/test", size: 7, root: MerkleTree.emptyRoot), signedBy: key)
        let lines = signed.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 6 && lines[3].isEmpty && lines[5].isEmpty)
        #expect(lines.prefix(3).map(String.init) == ["openclaw/test", "7", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="])
        let words = lines[4].split(separator: " ")
        #expect(words[0] == "\u{2014}" && words[1] == "openclaw/test")
        let bytes = try #require(Base64.bytes(of: String(words[2])))
        let hashed = Array("openclaw/test".utf8) + [0x0A, 0x01] + key.verifier.publicKey.bytes
        #expect(Array(bytes.prefix(4)) == Array(SHA256.digest(of: hashed).bytes.prefix(4)))
        let message = Array(lines.prefix(3).joined(separator: "\n").utf8) + [0x0A]
        #expect(key.verifier.publicKey.verifies(Array(bytes.dropFirst(4)), of: message))
        #expect(try SignedCheckpoint(parsing: signed.text) == signed)
        // Lines that a later version adds after the root are signed too.
        let extended = "openclaw/test\n7\n\(MerkleTree.emptyRoot.base64)\nmore\n"
        let signature = Base64.text(of: key.verifier.keyHash + key.privateKey.sign(Array(extended.utf8)))
        let note = try SignedCheckpoint(parsing: "\(extended)\n\u{2014} other AAAAAAAA\n\u{2014} openclaw/test \(signature)\n")
        #expect(key.verifier.verifies(note) && note.checkpoint.size == 7)
    }
}
