import Faults
import Gateway
import Glibc
import JSON
import Processes
import Routing
import TestFolders

/// Servers that speak TLS, each a process of its own, with certificates that are made when they are needed.
final class TLSHouse: Sendable {
    private let temporary = TemporaryFolder()
    private var folder: String { temporary.path }
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    private static let environment = ["PATH": "/usr/local/bin:/usr/bin:/bin"]

    /// A server's certificate, and who vouches for it.
    enum Certificate: String, CaseIterable {
        case good, expired, wrongHost, selfSigned
    }

    /// Of the authority that signs all but the self-signed ones.
    var authority: String { "\(folder)/ca.pem" }

    static func toolsAreThere() async -> Bool {
        for tool in ["openssl", "python3"] {
            let there = ["/usr/bin", "/usr/local/bin", "/bin"].contains { unsafe access("\($0)/\(tool)", X_OK) == 0 }
            if !there {
                print("SKIPPED: \(tool) is not there")
                return false
            }
        }
        return true
    }

    init() async throws {
        try await openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=test authority", "-keyout", "\(folder)/ca.key", "-out", authority)
    }

    /// Starts a server with such a certificate; the port it listens on.
    func serve(_ certificate: Certificate, _ more: String...) async throws -> (server: Child, port: Int) {
        let name = "\(certificate.rawValue)-\(UInt64.random(in: 0...(.max)))"
        try await make(certificate, name)
        let script = "\(Self.root)/Tests/Fixtures/TLS/server.py"
        let server = try start(["python3", script, "\(folder)/\(name).pem", "\(folder)/\(name).key"] + more, output: "\(name).log")
        let clock = ContinuousClock()
        let end = clock.now + .seconds(120)
        while clock.now < end {
            let words = temporary.text(of: "\(name).log").split(whereSeparator: \.isWhitespace)
            if words.count == 3, let port = Int(words[2]) { return (server, port) }
            guard server.isRunning else { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Failure(description: "the TLS server does not listen: \(temporary.text(of: "\(name).log"))")
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private func make(_ certificate: Certificate, _ name: String) async throws {
        let names = certificate == .wrongHost ? "DNS:elsewhere.test" : "DNS:localhost,IP:127.0.0.1"
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=\(names)"]
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "\(folder)/\(name).key"]
        if certificate == .selfSigned {
            return try await openssl(["req", "-x509", "-days", "2"] + key + subject + ["-out", "\(folder)/\(name).pem"])
        }
        try await openssl(["req", "-new"] + key + subject + ["-out", "\(folder)/\(name).csr"])
        temporary.write("subjectAltName=\(names)\n", to: "\(name).ext")
        // Negative days end it yesterday.
        try await openssl(
            "x509", "-req", "-in", "\(folder)/\(name).csr", "-CA", authority, "-CAkey", "\(folder)/ca.key", "-CAcreateserial",
            "-days", certificate == .expired ? "-1" : "2", "-extfile", "\(folder)/\(name).ext", "-out", "\(folder)/\(name).pem")
    }

    private func openssl(_ arguments: String...) async throws { try await openssl(arguments) }

    private func openssl(_ arguments: [String]) async throws {
        let status = try await start(["openssl"] + arguments, output: "openssl.log").wait(limit: .seconds(120))
        guard status == .exited(code: 0) else {
            throw Failure(description: "openssl \(arguments[0]): \(status)\n\(temporary.text(of: "openssl.log"))")
        }
    }

    private func start(_ arguments: [String], output: String) throws(Fault) -> Child {
        try Child.start(
            ChildPlan(arguments: arguments, directory: folder, environment: Self.environment, outputPath: "\(folder)/\(output)"))
    }

    /// A gateway with one route to this address.
    func gateway(_ url: String, trusting file: String?, _ adjust: (inout Route) -> Void = { _ in }) throws -> GatewayHouse {
        var variant = Variant(id: VariantID(0), name: "a", url: url)
        variant.caFile = file
        var route = Route(
            id: RouteID(1), name: "all", match: RouteMatch(path: "/"), unit: .header("X-User-Id"), variants: [variant],
            timeouts: RouteTimeouts(), split: TrafficSplit(route: "all", shares: [variant.id: 10_000]))
        // A loaded machine's handshake may take long; what is to be late is set so by its test.
        route.timeouts.connect = 60_000
        adjust(&route)
        return try GatewayHouse([route])
    }
}
