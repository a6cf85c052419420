import Experiments
public import Faults
import JSON
import Providers
import Registry
import Releases
import Routing
import Training
import YAML

/// One thing a user declared in a file.
enum Resource: Sendable {
    case model(Model)
    case prompt(Prompt)
    case provider(Provider)
    case route(RouteSpec)
    /// Read for its mistakes already; the service reads it again against what is there.
    case release(YAMLNode)
    case experiment(YAMLNode)
    case queuePolicy(QueuePolicySpec)
    case node(NodeSpec)
    case job(JobSpec, directory: String)

    static let kinds = [
        "model", "prompt", "provider", "route", "release_pipeline", "experiment", "queue_policy", "node", "training_job",
    ]

    var kind: String {
        switch self {
        case .model: "model"
        case .prompt: "prompt"
        case .provider: "provider"
        case .route: "route"
        case .release: "release_pipeline"
        case .experiment: "experiment"
        case .queuePolicy: "queue_policy"
        case .node: "node"
        case .job: "training_job"
        }
    }

    /// What a route needs stands before it, whatever the order of the files: models, then routes, then what moves them.
    var rank: Int {
        switch self {
        case .model: 0
        case .prompt, .provider: 1
        case .route: 2
        case .release: 3
        case .experiment: 4
        case .queuePolicy, .node: 5
        case .job: 6
        }
    }

    /// Its commands and files run and are read as the daemon's user.
    var actsAsDaemon: Bool {
        // A provider names a variable or file that the daemon reads, and sends to an address that stands beside it.
        if case .provider = self { return true }
        if case .job = self { return true }
        guard case .model(let model) = self else { return false }
        return model.build != nil || model.serve != nil || model.smoke != nil
    }
}

/// A file as it reaches the API: its text, the name its faults carry, the folder its relative paths start in.
public struct ResourceFile: Sendable {
    public let name: String
    public let directory: String
    public let text: String

    static let schema = Schema.object([
        "name": .string("The file's name, as faults shall carry it"),
        "directory": .string("Absolute path of the folder that relative paths in it start in"),
        "text": .string("The file's content: YAML, one or more documents"),
    ])

    init(name: String, directory: String, text: String) { (self.name, self.directory, self.text) = (name, directory, text) }

    init(_ json: JSONValue) throws(Fault) {
        (name, directory, text) =
            (json["name"]?.stringValue ?? "", json["directory"]?.stringValue ?? "", json["text"]?.stringValue ?? "")
        guard directory.hasPrefix("/") else {
            throw Fault(
                .usage, what: "The folder of '\(name)' is not usable.", why: "'\(directory)' is not an absolute path.",
                fix: "Send the absolute path of the folder that the file stands in.")
        }
    }

    /// Reads every document strictly. Nothing is changed yet: a fault here leaves everything as it was.
    func resources() throws(Fault) -> [Resource] {
        let documents = try YAMLNode.documents(in: text, file: name)
        guard !documents.isEmpty else {
            throw Fault(
                .badConfiguration, what: "\(name) declares nothing.", why: "It has no YAML document.",
                fix: "Declare a resource: \(Resource.kinds.map { "`\($0):`" }.joined(separator: ", ")).")
        }
        var resources: [Resource] = []
        for document in documents { resources.append(try resource(document)) }
        return resources
    }

    private func resource(_ document: YAMLNode) throws(Fault) -> Resource {
        let mapping = try document.mapping("a resource")
        try mapping.refuseUnknown(known: Resource.kinds)
        guard let entry = mapping.entries.first, mapping.entries.count == 1 else {
            throw document.fault(
                "A document declares one resource.", why: "this one has \(mapping.entries.count) top-level keys",
                fix: "Put a line `---` between resources.")
        }
        switch entry.key {
        case "model": return .model(try Model(entry.value, directory: directory))
        case "provider": return .provider(try Provider(entry.value))
        case "prompt": return .prompt(try Prompt(entry.value))
        case "route": return .route(try RouteSpec(entry.value))
        case "release_pipeline":
            _ = try ReleaseSpec(entry.value)
            return .release(entry.value)
        case "experiment":
            _ = try ExperimentSpec(entry.value)
            return .experiment(entry.value)
        case "queue_policy": return .queuePolicy(try QueuePolicySpec(entry.value))
        case "node": return .node(try NodeSpec(entry.value))
        case "training_job": return .job(try JobSpec(entry.value), directory: directory)
        default: preconditionFailure("an unknown kind was refused above")
        }
    }
}

extension ResourceFile {
    public static let bytesMax = 1 << 20

    /// Reads a file of this machine.
    public init(reading path: String) throws(Fault) {
        guard let text = try TextFile.read(path, bytesMax: ResourceFile.bytesMax) else {
            throw Fault(
                .badConfiguration, what: "There is no file \(path).", why: "It was named to be applied.", fix: "Check the path.")
        }
        let whole = Home.absolute(path)
        let directory = whole.lastIndex(of: "/").map { whole[..<$0] } ?? ""
        self.init(name: path, directory: directory.isEmpty ? "/" : String(directory), text: text)
    }
}
