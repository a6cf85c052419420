import Experiments
import Faults
import JSON
import Ledger
import Releases
import YAML

/// Delivers what experiments ask of releases. The request stands in the experiment's ledger entry before this is called, and
/// the answer after it; asked again after a restart, it takes up the release that was begun.
struct WinnerReleases: Sendable {
    let releases: ReleaseService
    /// How soon its end is seen.
    private static let pace = Duration.milliseconds(250)

    /// The stages of a release whose experiment says nothing else. The version is served already: nothing is built.
    private static let stages: JSONValue = ["smoke_test", "canary_deploy", "monitor_metrics", "promote_or_rollback"]
    private static let gates: JSONValue = ["max_error_rate": 1]

    /// Returns when the release is decided.
    func conduct(_ request: ReleaseRequest) async throws(Fault) -> ExperimentMachine.ReleaseOutcome {
        let name = request.version.replacing("@", with: "-")
        var status = try? await releases.status(name)
        if status.map({ ($0["entry"]?.integerValue ?? -1) > request.position.index }) != true {
            status = try await releases.apply(try pipeline(name, request), whenBusy: .queue, by: "experiment/\(request.experiment)")
        }
        while let now = status, ReleaseRoutes.isRunning(now) {
            if Task.isCancelled {
                throw Fault(
                    .unavailable, what: "The release is not awaited.", why: "The daemon is stopping.", fix: "It goes on later.")
            }
            try? await Task.sleep(for: Self.pace)
            status = try await releases.status(name)
        }
        let state = status?["state"]?.stringValue ?? ""
        let because = status?["because"]?.stringValue.map { ": \($0)" } ?? ""
        return .init(
            name: name, isPromoted: state == "promoted",
            text: "release \(name) \(state.replacing("_", with: " "))\(because)")
    }

    private func pipeline(_ name: String, _ request: ReleaseRequest) throws(Fault) -> YAMLNode {
        var members = request.pipeline?.objectValue ?? [:]
        members["name"] = .string(name)
        if members["stages"] == nil { members["stages"] = Self.stages }
        if members["gates"] == nil { members["gates"] = Self.gates }
        // JSON is YAML, and the pipeline is read as strictly as one that a person wrote.
        let text = JSONValue.object(members).canonicalText
        guard let node = try YAMLNode.documents(in: text, file: "experiment \(request.experiment)").first else {
            preconditionFailure("an object is a document")
        }
        return node
    }
}
