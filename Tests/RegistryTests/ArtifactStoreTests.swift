import Faults
import Glibc
import JSON
import TestFolders
import Testing

@testable import Registry

@Suite struct ArtifactStoreTests {
    let folder = TestFolder()
    var store: ArtifactStore { ArtifactStore(directory: folder.path + "/artifacts") }

    private func sample() throws -> String {
        let root = folder.path + "/model"
        try folder.write("model/weights.bin", String(repeating: "w", count: 3 << 20))
        try folder.write("model/bin/serve.sh", "#!/bin/sh\n", mode: 0o755)
        try folder.write("model/empty", "")
        unsafe mkdir(root + "/folder", 0o755)
        unsafe symlink("../weights.bin", root + "/bin/link")
        return root
    }

    @Test func `what is stored is laid out again, byte for byte`() async throws {
        let root = try sample()
        let digest = try await store.store(root)
        #expect(digest.hasPrefix("sha256:") && digest.utf8.count == 71)
        let target = folder.path + "/out"
        try await store.materialise(digest, at: target)
        #expect(try folder.read("out/bin/serve.sh") == "#!/bin/sh\n" && folder.read("out/empty") == "")
        #expect(try folder.read("out/bin/link").utf8.count == 3 << 20)
        #expect(Folder.target(ofLink: target + "/bin/link") == "../weights.bin")
        #expect(folder.mode("out/bin/serve.sh") & 0o111 != 0 && folder.mode("out/weights.bin") & 0o111 == 0)
        #expect(try Folder.names(in: target + "/folder").isEmpty)
        #expect(try await store.store(target) == digest)
    }

    @Test func `equal content has one digest, and any change another`() async throws {
        let root = try sample()
        let digest = try await store.store(root)
        #expect(try await ArtifactStore(directory: folder.path + "/elsewhere").store(root) == digest)
        unsafe chmod(root + "/empty", 0o600)
        #expect(try await store.store(root) == digest)
        unsafe chmod(root + "/empty", 0o700)
        #expect(try await store.store(root) != digest)
        unsafe chmod(root + "/empty", 0o600)
        try folder.write("model/empty", "x")
        #expect(try await store.store(root) != digest)
        try folder.write("model/empty", "")
        unsafe rename(root + "/empty", root + "/void")
        #expect(try await store.store(root) != digest)
    }

    @Test func `a single file is an artifact under its own name`() async throws {
        try folder.write("model.pkl", "pickled")
        let digest = try await store.store(folder.path + "/model.pkl")
        unsafe mkdir(folder.path + "/out", 0o755)
        try await store.materialise(digest, at: folder.path + "/out")
        #expect(try folder.read("out/model.pkl") == "pickled")
    }

    @Test func `a damaged artifact is found out, and nothing is used`() async throws {
        let digest = try await store.store(sample())
        let weights = try #require(blobs().max { folder.size($0) < folder.size($1) })
        unsafe chmod(folder.path + "/" + weights, 0o600)
        try folder.write(weights, String(repeating: "w", count: (3 << 20) - 1) + "x")
        let fault = try await #require(throws: Fault.self) { try await store.materialise(digest, at: folder.path + "/out") }
        #expect(fault.what.contains("damaged") && fault.why.contains(weights.split(separator: "/").last!))
        #expect(try Folder.names(in: folder.path) == ["artifacts", "model"])
        // Storing it again mends the blob.
        #expect(try await store.store(folder.path + "/model") == digest)
        try await store.materialise(digest, at: folder.path + "/out")
    }

    @Test func `an unknown or malformed digest is a fault`() async throws {
        let none = "sha256:" + String(repeating: "0", count: 64)
        for digest in [none, "", "sha256:xyz", "md5:" + none] {
            await #expect(throws: Fault.self) { try await store.materialise(digest, at: folder.path + "/out") }
        }
        // A blob that is no list of files, and one whose list leads outside.
        try folder.write("plain", "[{\"path\":\"../x\",\"mode\":\"040000\"}]")
        _ = try await store.store(folder.path + "/plain")
        for blob in blobs() where try folder.read(blob).contains("\"../x\"") {
            let digest = "sha256:" + blob.split(separator: "/").last!
            let fault = try await #require(throws: Fault.self) { try await store.materialise(digest, at: folder.path + "/out") }
            #expect(fault.why.contains("outside"))
        }
    }

    @Test(arguments: ["/etc/hostname", "../../outside", "..", "missing", "up/../../x", "self"])
    func `a link that leads outside or nowhere is refused`(target: String) async throws {
        let root = try sample()
        try folder.write("outside", "secret")
        try folder.write("x", "secret")
        // `up` stays inside, but what goes up from where it ends does not.
        unsafe symlink("..", root + "/bin/up")
        unsafe symlink(target == "self" ? "bad" : target, root + "/bin/bad")
        if target == ".." { unsafe unlink(root + "/bin/bad") }
        if target == ".." { unsafe symlink("../..", root + "/bin/bad") }
        let fault = try await #require(throws: Fault.self) { try await store.store(root) }
        #expect(fault.what.contains("bin/bad"), "\(fault)")
    }

    @Test func `pipes and what exceeds the limits are refused`() async throws {
        let root = try sample()
        var limits = ArtifactStore.Limits()
        limits.bytes = 1 << 20
        func refusal(_ limits: ArtifactStore.Limits) async throws -> Fault {
            try await #require(throws: Fault.self) {
                try await ArtifactStore(directory: folder.path + "/a", limits: limits).store(root)
            }
        }
        #expect(try await refusal(limits).kind == .limitReached)
        limits = .init()
        limits.entries = 3
        #expect(try await refusal(limits).why.contains("3 files"))
        limits = .init()
        limits.depth = 0
        #expect(try await refusal(limits).why.contains("0 deep"))
        #expect(try Folder.names(in: folder.path + "/a/new").isEmpty)
        unsafe mkfifo(root + "/pipe", 0o600)
        #expect(try await refusal(.init()).why.contains("a pipe"))
        await #expect(throws: Fault.self) { try await store.store(folder.path + "/nothing") }
    }

    @Test func `what is in the way is not overwritten`() async throws {
        let digest = try await store.store(sample())
        try folder.write("out/mine", "precious")
        await #expect(throws: Fault.self) { try await store.materialise(digest, at: folder.path + "/out") }
        #expect(try folder.read("out/mine") == "precious")
        #expect(try Folder.names(in: folder.path) == ["artifacts", "model", "out"])
    }

    @Test func `what a crash left half written is swept away`() async throws {
        try folder.write("artifacts/new/abc", "half")
        store.sweep()
        #expect(try Folder.names(in: folder.path + "/artifacts").isEmpty)
    }

    private func blobs() -> [String] {
        let root = folder.path + "/artifacts/sha256"
        return ((try? Folder.names(in: root)) ?? []).flatMap { prefix in
            ((try? Folder.names(in: "\(root)/\(prefix)")) ?? []).map { "artifacts/sha256/\(prefix)/\($0)" }
        }
    }
}

typealias TestFolder = TemporaryFolder

extension TemporaryFolder {
    func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws {
        let path = path + "/" + name
        try Folder.make(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
        unsafe unlink(path)
        try FileHandle(creating: path, mode: mode).write(Array(text.utf8))
    }

    func read(_ name: String) throws -> String {
        var bytes: [UInt8] = []
        let real = try #require(Folder.realPath(path + "/" + name))
        try FileHandle(reading: real).eachChunk { chunk in bytes += chunk }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func status(_ name: String) -> stat {
        var status = stat()
        unsafe stat(path + "/" + name, &status)
        return status
    }

    func mode(_ name: String) -> mode_t { status(name).st_mode }
    func size(_ name: String) -> Int { Int(status(name).st_size) }
}
