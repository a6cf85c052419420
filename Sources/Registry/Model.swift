public import Faults
public import YAML

/// A named deployable and how to build, serve, smoke-test and score it. Every part but the name is optional.
public struct Model: Sendable, Equatable, Codable {
    public struct Build: Sendable, Equatable, Codable {
        /// Shell line; `{version}`, `{artifact}`, `{model}` are filled in.
        public var run: String
        public var timeoutMilliseconds: Int64
    }
    public struct Serve: Sendable, Equatable, Codable {
        public var run: String  // {artifact} {port} {version} {model}
        public var ready: String  // path that answers 200 when the version is ready
        public var path: String  // path that answers inference requests
        public var readyTimeoutMilliseconds: Int64
    }
    public struct Smoke: Sendable, Equatable, Codable {
        public var requests: String?  // JSON lines; an absolute path
        public var maxLatencyMilliseconds: Double?
        public var regression: String?  // JSON lines with expected answers; an absolute path
        public var maxRegressions: Double  // fraction
    }
    public var name: String
    public var route: String?
    /// Where relative paths and commands start: the folder of the file that declared it.
    public var directory: String
    public var build: Build?
    public var serve: Serve?
    public var smoke: Smoke?
    public var qualityMetric: String?
    /// Versions that are already served somewhere: name -> url.
    public var servedVersions: [String: String]
    /// Whose certificates the https urls of its versions are checked against; nil for the system's.
    public var caFile: String?
}

extension Model {
    private static let keys = ["name", "route", "build", "serve", "smoke", "quality", "versions", "ca_file"]
    static let buildTimeout = Duration.seconds(1_800)
    static let readyTimeout = Duration.seconds(60)

    /// Reads the value of a `model:` key. Relative paths in it start in `directory`.
    public init(_ node: YAMLNode, directory: String) throws(Fault) {
        let map = try node.mapping("a model")
        try map.refuseUnknown(known: Model.keys)
        name = try Name.read(try map.required("name"), of: "a model")
        route = nil
        if let node = map["route"] { route = try Name.read(node, of: "a route") }
        self.directory = directory
        build = try map["build"].map(Build.init)
        serve = try map["serve"].map(Serve.init)
        smoke = nil
        if let node = map["smoke"] { smoke = try Smoke(node, directory: directory) }
        qualityMetric = nil
        if let node = map["quality"] {
            let quality = try node.mapping("how a model is scored")
            try quality.refuseUnknown(known: ["metric"])
            qualityMetric = try Name.read(try quality.required("metric"), of: "a metric")
        }
        servedVersions = [:]
        caFile = nil
        if let node = map["ca_file"] {
            caFile = try Model.file(node, in: directory)
            if let caFile { try CertificateFile.check(caFile, node) }
        }
        guard let versions = map["versions"] else { return }
        for entry in try versions.mapping("versions").entries {
            servedVersions[try Name.read(versionOf: entry)] = try Model.url(of: entry.value)
        }
    }

    /// `{ url: "http://..." }`
    private static func url(of node: YAMLNode) throws(Fault) -> String {
        let map = try node.mapping("a version that is already served")
        try map.refuseUnknown(known: ["url"])
        let value = try map.required("url")
        let text = try value.string()
        let host = ["http://", "https://"].first { text.hasPrefix($0) }.map { text.dropFirst($0.count) }
        guard let first = host?.first, first != "/", text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw value.fault(
                "'\(text)' is not a URL that can be called.", why: "http:// or https:// and a host are expected.",
                fix: "Write it like \"http://127.0.0.1:9001/v2/models/fraud-model/infer\".")
        }
        return text
    }
}

extension Model.Build {
    fileprivate init(_ node: YAMLNode) throws(Fault) {
        let map = try node.mapping("how a model is built")
        try map.refuseUnknown(known: ["run", "timeout"])
        run = try Model.line(try map.required("run"))
        timeoutMilliseconds = try Model.limit(map["timeout"], otherwise: Model.buildTimeout)
    }
}

extension Model.Serve {
    fileprivate init(_ node: YAMLNode) throws(Fault) {
        let map = try node.mapping("how a model is served")
        try map.refuseUnknown(known: ["run", "ready", "path", "ready_timeout"])
        run = try Model.line(try map.required("run"))
        ready = try Model.urlPath(try map.required("ready"))
        path = try Model.urlPath(try map.required("path"))
        readyTimeoutMilliseconds = try Model.limit(map["ready_timeout"], otherwise: Model.readyTimeout)
    }
}

extension Model.Smoke {
    fileprivate init(_ node: YAMLNode, directory: String) throws(Fault) {
        let map = try node.mapping("how a model is smoke-tested")
        try map.refuseUnknown(known: ["requests", "max_latency_ms", "regression", "max_regressions"])
        requests = try Model.file(map["requests"], in: directory)
        regression = try Model.file(map["regression"], in: directory)
        guard requests != nil || regression != nil else {
            throw node.fault(
                "The smoke test has nothing to send.", why: "neither `requests:` nor `regression:` is given.",
                fix: "Name a file of JSON lines in one of them, or remove `smoke:`.")
        }
        maxLatencyMilliseconds = try map["max_latency_ms"].map(Model.positive)
        maxRegressions = 0
        if let node = map["max_regressions"] { maxRegressions = try node.fraction() }
    }
}

extension Model {
    fileprivate static func line(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        guard text.contains(where: { !$0.isWhitespace }), !text.utf8.contains(0) else {
            throw node.fault("A command is missing.", why: "this line is empty, or holds a NUL.", fix: "Write a shell line.")
        }
        return text
    }

    fileprivate static func limit(_ node: YAMLNode?, otherwise: Duration) throws(Fault) -> Int64 {
        guard let node else { return milliseconds(otherwise) }
        let duration = try node.duration()
        guard duration > .zero else {
            throw node.fault("A time limit of nothing stops everything.", why: "this is zero.", fix: "Write it like 10m.")
        }
        return milliseconds(duration)
    }

    private static func milliseconds(_ duration: Duration) -> Int64 { Int64(duration / .milliseconds(1)) }

    fileprivate static func urlPath(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        guard text.hasPrefix("/"), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw node.fault(
                "'\(text)' is not a path of the server.", why: "a path begins with /.", fix: "Write it like \"/ready\".")
        }
        return text
    }

    fileprivate static func file(_ node: YAMLNode?, in directory: String) throws(Fault) -> String? {
        guard let node else { return nil }
        let text = try node.string()
        guard !text.isEmpty, !text.utf8.contains(0) else {
            throw node.fault("A file is missing.", why: "this name is empty, or holds a NUL.", fix: "Name a file of JSON lines.")
        }
        return text.hasPrefix("/") ? text : directory + "/" + text
    }

    fileprivate static func positive(_ node: YAMLNode) throws(Fault) -> Double {
        let value = try node.double()
        guard value > 0 else {
            throw node.fault("\(value) is no limit.", why: "nothing could stay under it.", fix: "Write a number over 0.")
        }
        return value
    }
}
