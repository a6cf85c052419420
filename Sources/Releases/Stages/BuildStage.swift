import Conducting
import Faults
import JSON
import Ledger
import Processes
import Registry
import Telemetry

/// `build_artifact`: the model's build command in a clean directory, under a time limit; what it made becomes the version.
struct BuildStage {
    let call: ReleaseCall
    let registry: RegistryService
    /// Where this attempt works.
    let workshop: String
    let log: String
    /// What its processes carry.
    let mark: String

    private var plan: ReleasePlan { call.machine.plan }

    func run() async throws(Fault) -> BuildReport {
        let begin = ContinuousClock.now
        if let reused = try await reuse(since: begin) { return reused }
        guard let build = plan.model.build else {
            throw Fault(
                what: "\(plan.version) cannot be built.", why: "Its model declares no build.", fix: "Add `build:` to the model.")
        }
        let folder = WorkFolder(path: workshop + "/build")
        try await folder.empty()
        try await folder.fill(from: plan.model.directory)
        // What is stored is the folder around it, so that a file and a folder come back the same way.
        let made = WorkFolder(path: workshop + "/made")
        try await made.empty()
        try await execute(build, in: folder.path, artifact: "\(made.path)/\(Workshop.artifact)")
        let digest = try await registry.artifacts.store(made.path)
        let lineage = Lineage(by: "release/\(plan.name)", command: build.run, inputs: try await inputs(), release: plan.name)
        let version = Version(id: plan.version, digest: digest, source: .artifact, lineage: lineage)
        _ = try await registry.register(version, by: "release/\(plan.name)")
        await folder.remove()
        await made.remove()
        return BuildReport(digest: digest, reused: false, milliseconds: (ContinuousClock.now - begin).milliseconds)
    }

    /// A version is built once: a second release of it verifies what the first one made.
    private func reuse(since begin: ContinuousClock.Instant) async throws(Fault) -> BuildReport? {
        guard let version = await registry.version(plan.version), case .artifact = version.source else { return nil }
        let check = WorkFolder(path: workshop + "/verified")
        try await check.empty()
        try await registry.artifacts.materialise(version.digest, at: check.path)
        await check.remove()
        return BuildReport(digest: version.digest, reused: true, milliseconds: (ContinuousClock.now - begin).milliseconds)
    }

    private func execute(_ build: Model.Build, in folder: String, artifact: String) async throws(Fault) {
        let values = ["version": plan.version.version, "model": plan.version.model, "artifact": artifact]
        let child = try Child.start(
            ChildPlan(
                arguments: ["/bin/sh", "-c", CommandLineTemplate.fill(build.run, values)], directory: folder,
                environment: ChildEnvironment.with([
                    ChildEnvironment.marker: mark, "OPENCLAW_MODEL": plan.version.model,
                    "OPENCLAW_VERSION": plan.version.version, "OPENCLAW_ARTIFACT": artifact,
                    "OPENCLAW_MODEL_DIR": plan.model.directory,
                ]), outputPath: log))
        let status = await withTaskCancellationHandler {
            await child.wait(limit: .milliseconds(build.timeoutMilliseconds))
        } onCancel: {
            Task { await child.stop() }
        }
        let how: String
        switch status {
        case .exited(code: 0):
            if WorkFolder.exists(artifact) { return }
            how = "it ended well but left nothing at {artifact} (\(artifact))"
        case .exited(let code): how = "it ended with code \(code)"
        case .signalled(let signal): how = "signal \(signal) ended it"
        case .timedOut: how = "it was stopped after \(build.timeoutMilliseconds / 1_000) s, its time limit"
        case .unknown: how = "it ended"
        }
        throw Fault(
            what: "The build of \(plan.version) failed.", why: how + Workshop.lastWords(log),
            fix: "Its whole output is in \(log); `openclaw release apply` tries again.")
    }

    /// What the version was made from: the command and the files beside it.
    private func inputs() async throws(Fault) -> [String: String] {
        ["model": "sha256:" + SHA256.digest(of: JSONValue(encoding: plan.model).canonicalText).hex]
    }
}

/// Where the stages of one attempt keep their files, and how its processes are marked.
enum Workshop {
    /// The name of what a build makes, inside the folder that is stored.
    static let artifact = "artifact"

    static func folder(in directory: String, _ call: ReleaseCall) -> String {
        "\(directory)/work/\(call.release)-\(call.machine.attempt)"
    }

    static func log(in directory: String, _ call: ReleaseCall, of what: String) throws(Fault) -> String {
        try WorkFolder(path: "\(directory)/logs").create()
        return "\(directory)/logs/\(call.release)-\(call.machine.attempt).\(what).log"
    }

    /// Says whose a process is: which attempt's of which installation.
    static func mark(in directory: String, _ call: ReleaseCall) -> String {
        mark(in: directory, call.release, call.machine.attempt)
    }
    static func mark(in directory: String, _ release: String, _ attempt: Int) -> String { "\(release)#\(attempt)@\(directory)" }

    /// The end of a child's output, for a fault's why.
    static func lastWords(_ path: String) -> String {
        let tail = Child.tail(of: path, bytes: 1_024)
        return tail.isEmpty ? "; it printed nothing" : "; its last words:\n\(tail)"
    }

    /// Ends every process of an attempt that is still there, also those that no ledger entry names.
    static func clear(in directory: String, _ call: ReleaseCall) async {
        for stray in ChildEnvironment.strays(marked: mark(in: directory, call)) {
            await Child.adopt(processID: stray.processID, startTime: stray.startTime)?.stop()
        }
    }
}
