import Faults
import JSON
import Releases

/// `/api/v1/apply`: files of any kind of resource.
enum ApplyRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(
            .post, "/api/v1/apply", .scope(.operate),
            "Applies every resource of the files; all are read before the first is applied",
            takes: body, gives: .object(["applied": .array(of: Applier.Applied.schema)])
        ) { call throws(Fault) in
            let resources = try Applier.read(try files(in: call))
            try checkKind(of: call, for: resources)
            try checkScope(of: call, for: resources)
            let applied = try await applier(for: call).apply(resources)
            return .list("applied", applied.map(\.json))
        }
    ]

    static let body = Schema.object(
        ["files": .array(of: ResourceFile.schema)],
        optional: [
            "only": .oneOf(Resource.kinds, "Refuse resources of another kind"),
            "when_busy": .oneOf(
                ["queue", "replace", "refuse"], "What a release does whose route another one holds; standard queue"),
        ])

    static func files(in call: Call) throws(Fault) -> [ResourceFile] {
        var files: [ResourceFile] = []
        for file in call.body["files"]?.arrayValue ?? [] { files.append(try ResourceFile(file)) }
        return files
    }

    static func whenBusy(in call: Call) -> ReleaseService.WhenBusy {
        call.body["when_busy"]?.stringValue.flatMap(ReleaseService.WhenBusy.init(rawValue:)) ?? .queue
    }

    private static func checkKind(of call: Call, for resources: [Resource]) throws(Fault) {
        guard let only = call.body["only"]?.stringValue, let other = resources.first(where: { $0.kind != only }) else { return }
        throw Fault(
            .badConfiguration, what: "This file declares more than `\(only):`.", why: "It also has a `\(other.kind):`.",
            fix: "Apply it with: openclaw apply -f FILE.")
    }

    private static func applier(for call: Call) throws(Fault) -> Applier {
        Applier(services: try call.services, by: call.by, whenBusy: whenBusy(in: call))
    }

    /// A model's commands run as the daemon's user, so declaring them takes more than moving traffic does.
    private static func checkScope(of call: Call, for resources: [Resource]) throws(Fault) {
        guard let caller = call.caller, !caller.may(.admin), resources.contains(where: \.actsAsDaemon) else { return }
        throw Fault(
            .forbidden, what: "Token '\(caller.token)' may not apply this resource.",
            why: "It declares commands, files or keys that the daemon runs and reads as its own user; that needs scope admin.",
            fix: "Apply it with an admin token.")
    }
}
