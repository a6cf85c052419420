import Faults
import TestFolders
import Testing
import YAML

@testable import Training

@Suite struct JobSpecTests {
    private static func read(_ text: String) throws -> JobSpec {
        let document = try #require(try YAMLNode.documents(in: text, file: "job.yaml").first)
        return try JobSpec(try document.mapping("a file").required("training_job"))
    }

    @Test func `the file of the documentation is read whole`() throws {
        let spec = try Self.read(
            """
            training_job:
              name: fraud-model-v12
              run: "python train.py --epochs 20"
              workdir: .
              ranks: { min: 2, max: 4 }
              resources: { cpus: 1, memory: 2Gi, accelerators: any }
              priority: normal
              preemptible: true
              team: risk
              checkpoint: { every: 30s, keep: 3 }
              recovery: { max_failures: 10 }
              sync: { wire: auto }
              output: { register: fraud-model@v12, path: model/ }
            """)
        #expect(spec.name == "fraud-model-v12" && spec.run == "python train.py --epochs 20")
        #expect(spec.ranksMin == 2 && spec.ranksMax == 4 && spec.demand.cpus == 1_000 && spec.demand.memory == 2 << 30)
        #expect(spec.takesAnyAccelerator && spec.priority == 500 && spec.team == "risk" && spec.failuresMax == 10)
        #expect(spec.checkpoint.every == 30_000 && spec.checkpoint.keep == 3 && spec.wire == .auto)
        #expect(spec.output == .init(register: "fraud-model@v12", path: "model/"))
        #expect(spec.gang(on: []).each.accelerators.isEmpty, "any: CPUs where there is nothing else")
        #expect(spec.gang(on: [.init(resource: "nvidia.com/gpu")]).each.accelerators == [.init(.any)])
    }

    @Test func `nodes and throughputs of a job are read`() throws {
        let spec = try Self.read(
            """
            training_job:
              name: a
              run: b
              nodes: { require: { tier: gpu }, avoid: { zone: [b, c] } }
              throughput: { H100: 1.0, amd.com/gpu: 0.6 }
            """)
        #expect(spec.nodes == NodeRule(require: ["tier": ["gpu"]], avoid: ["zone": ["b", "c"]]))
        #expect(spec.gang(on: []).nodes == spec.nodes && spec.throughput == ["H100": 1, "amd.com/gpu": 0.6])
    }

    @Test(
        arguments: [
            ("H100:8", [AcceleratorWish(.model("H100"), count: 8)]), ("nvidia.com/gpu:1", [.init(.resource("nvidia.com/gpu"))]),
            ("{ amd.com/gpu: 2 }", [.init(.resource("amd.com/gpu"), count: 2)]), ("2", [.init(.any, count: 2)]), ("none", []),
            ("{ any_of: [H100:1, amd.com/gpu:1] }", [.init(.model("H100")), .init(.resource("amd.com/gpu"))]),
        ] as [(String, [AcceleratorWish])])
    func `wishes for accelerators are read as they are written`(text: String, wishes: [AcceleratorWish]) throws {
        let spec = try Self.read("training_job: { name: a, run: b, resources: { accelerators: \(text) } }")
        #expect(spec.demand.accelerators == wishes && !spec.takesAnyAccelerator)
    }

    @Test(arguments: [
        ("rnks: 2", "`rnks` is not known here."), ("ranks: 0", "'0' is not a number this takes."),
        ("ranks: { min: 4, max: 2 }", "'2' is not a number this takes."), ("priority: hihg", "'hihg' is no priority."),
        ("resources: { memory: 2Gib }", "'2Gib' is no amount of memory."), ("sync: { wire: fp8 }", "'fp8' is no wire format."),
        ("output: { register: fraud, path: m }", "'fraud' is no version."),
        ("output: { register: a@b, path: ../m }", "'../m' leaves the working folder."),
        ("output: { register: a@b, path: ./ }", "'./' is the whole working folder."),
        ("resources: { memory: 2 }", "'2' is too little memory."), ("env: { A=B: x }", "'A=B' cannot be set."),
        ("resources: { accelerators: { nvidia.com/GPUs: 1 } }", "No driver counts 'nvidia.com/GPUs'."),
        ("checkpoint: { keep: 0 }", "'0' is not a number this takes."),
        ("env: { OPENCLAW_JOB: x }", "'OPENCLAW_JOB' cannot be set."),
        ("checkpoint: { every: 30 }", "'30' is not a duration."), ("throughput: { H100: 0 }", "'0.0' is no throughput."),
        ("throughput: {}", "This compares 0 kinds of accelerators."), ("nodes: { need: { a: b } }", "`need` is not known here."),
    ])
    func `a mistake is refused with its line`(line: String, what: String) throws {
        do {
            _ = try Self.read("training_job:\n  name: a\n  run: b\n  \(line)\n")
            Issue.record("it was taken")
        } catch let fault as Fault {
            #expect(fault.what == what)
            #expect(fault.why.contains("job.yaml line 4"))
        }
    }

    @Test func `a job that runs nothing is refused, not finished`() {
        #expect(throws: Fault.self) { try Self.read("training_job: { name: a, run: ' ' }") }
    }

    @Test func `what a job trains on is one path or some, and nothing that only a network reads`() throws {
        let head = "training_job:\n  name: a\n  run: b\n"
        #expect(try Self.read(head + "  data: rows/").data == ["rows/"])
        #expect(try Self.read(head + "  data: [rows.csv, labels.csv]").data == ["rows.csv", "labels.csv"])
        #expect(throws: Fault.self) { try Self.read(head + "  data: s3://bucket/rows") }
        #expect(throws: Fault.self) { try Self.read(head + "  data: []") }
    }

    @Test func `the digest of data follows its content and its names, not the order of a folder`() async throws {
        let folder = TemporaryFolder()
        func digest() async throws -> String { try await DataDigest(paths: ["."], in: folder.path).digest() }
        for name in ["b", "a", "c"] { folder.write("content of \(name)", to: name, mode: 0o644) }
        let first = try await digest()
        #expect(try await digest() == first)
        folder.write("content of C", to: "c", mode: 0o644)
        #expect(try await digest() != first)
        await #expect(throws: Fault.self) { try await DataDigest(paths: ["elsewhere"], in: folder.path).digest() }
        #expect(DataDigest(paths: ["a", "elsewhere"], in: folder.path).missing == "elsewhere")
    }
}
