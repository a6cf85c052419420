import Faults
import Glibc
import HTTP
import JSON
import Processes
import TestFolders

/// A folder with everything one end-to-end test needs: the real binary, model servers in Python, files, and a client.
final class Workshop: Sendable {
    private let temporary = TemporaryFolder()
    var folder: String { temporary.path }
    let outbound = Outbound()

    var home: String { "\(folder)/home" }
    /// What its processes find in their environment besides.
    private let more: [String: String]

    /// `environment`: made from the path of the folder.
    init(environment: (String) -> [String: String] = { _ in [:] }) { more = environment(temporary.path) }

    /// The binary stands beside the test bundle that runs now.
    static let binary: String = {
        var path = [CChar](repeating: 0, count: 4_096)
        let count = unsafe path.withUnsafeMutableBufferPointer { unsafe readlink("/proc/self/exe", $0.baseAddress!, $0.count - 1) }
        let bundle = String(decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let beside = bundle.split(separator: "/").dropLast().joined(separator: "/")
        for candidate in ["/\(beside)/openclaw", "\(root)/.build/debug/openclaw"] where unsafe access(candidate, X_OK) == 0 {
            return candidate
        }
        preconditionFailure("the openclaw binary is not built")
    }()

    static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    static let modelServer = "\(root)/Tests/Fixtures/EndToEnd/model_server.py"

    @discardableResult
    func write(_ text: String, as name: String) -> String { temporary.write(text, to: name, mode: 0o644) }

    func read(_ name: String) -> String { temporary.text(of: name) }

    // MARK: Processes

    private var environment: [String: String] {
        ["PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder, "OPENCLAW_HOME": home].merging(more) { $1 }
    }

    func start(_ arguments: [String], output: String) throws(Fault) -> Child {
        try Child.start(.init(arguments: arguments, directory: folder, environment: environment, outputPath: "\(folder)/\(output)"))
    }

    /// One command of the command line, to its end.
    func openclaw(_ arguments: String..., limit: Duration = .seconds(600)) async throws -> (code: Int32, output: String) {
        let name = "command-\(UInt64.random(in: 0...(.max))).log"
        let status = try await start([Workshop.binary] + arguments, output: name).wait(limit: limit)
        guard case .exited(let code) = status else { return (-1, "\(status)\n\(read(name))") }
        return (code, read(name))
    }

    /// The same binary under its second name.
    func clawdbot(_ arguments: String...) async throws -> (code: Int32, output: String) {
        let name = "\(folder)/clawdbot"
        unsafe symlink(Workshop.binary, name)
        let status = try await start([name] + arguments, output: "clawdbot.log").wait(limit: .seconds(600))
        guard case .exited(let code) = status else { return (-1, "\(status)") }
        return (code, read("clawdbot.log"))
    }

    /// A model version on a port of its own.
    func startModel(_ name: String, accuracy: Double, errors: Double = 0, seconds: Double = 0) async throws -> (
        server: Child, url: String
    ) {
        write("{\"accuracy\": \(accuracy), \"errors\": \(errors), \"seconds\": \(seconds)}", as: "\(name).json")
        let server = try start(
            ["python3", Workshop.modelServer, "--port", "0", "--behaviour", "\(folder)/\(name).json"], output: "\(name).log")
        let port = try await until("model \(name) listens") {
            let words = self.read("\(name).log").split(whereSeparator: \.isWhitespace)
            return words.count == 3 ? words[2] : nil
        }
        return (server, "http://127.0.0.1:\(port)/infer")
    }

    // MARK: Waiting

    struct Late: Error, CustomStringConvertible {
        let description: String
    }

    /// Looks until there is an answer; the deadline is generous, since it is only reached when something is wrong.
    @discardableResult
    func until<T>(_ what: String, deadline: Duration = .seconds(600), _ look: () async throws -> T?) async throws -> T {
        let clock = ContinuousClock()
        let end = clock.now + deadline
        while clock.now < end {
            if let found = try await look() { return found }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Late(description: "waited \(deadline) in vain until \(what)\n\(read("serve.log").suffix(4_000))")
    }
}
