import Conducting
import Faults
import Glibc
import HTTP
import Processes
import Registry
import Synchronization
import Telemetry

/// The process that serves one version: started by the model's `serve:` command on a port of its own, found again by pid and
/// start time, ready when its `ready` path answers 200.
struct ModelServer {
    static let ready = Duration.milliseconds(50)

    let call: ReleaseCall
    let registry: RegistryService
    let outbound: Outbound
    let directory: String
    let log: String

    private var plan: ReleasePlan { call.machine.plan }

    /// The candidate answers when this returns: at its own url, or at a server that runs already, or at a new one.
    func start() async throws(Fault) -> Deployment {
        switch plan.serving {
        case .at(let url):
            try await awaitURL(url)
            return Deployment(url: url, process: nil)
        case .started: break
        case .not:
            throw Fault(what: "Nothing serves \(plan.version).", why: "Its model has no serve.", fix: "Add `serve:` to the model.")
        }
        guard let serve = plan.model.serve else {
            throw Fault(what: "Nothing serves \(plan.version).", why: "Its model has no serve.", fix: "Add `serve:` to the model.")
        }
        if let running = try await takeUp(serve) { return running }
        let port = try FreePort.find(preferring: call.machine.deployment?.process?.port, seed: directory + call.key)
        let child = try await launch(serve, on: port)
        return try await deployment(of: child, on: port, serve)
    }

    /// A server of this attempt that runs already: the one the ledger names, or one that a crash kept from being recorded.
    func takeUp(_ serve: Model.Serve) async throws(Fault) -> Deployment? {
        if let process = call.machine.deployment?.process,
            let child = Child.adopt(processID: process.id, startTime: process.startTime)
        {
            return try await deployment(of: child, on: process.port, serve)
        }
        for stray in ChildEnvironment.strays(marked: Workshop.mark(in: directory, call)) {
            guard let port = ChildEnvironment.port(of: stray.processID),
                let child = Child.adopt(processID: stray.processID, startTime: stray.startTime)
            else { continue }
            return try await deployment(of: child, on: port, serve)
        }
        return nil
    }

    private func launch(_ serve: Model.Serve, on port: Int) async throws(Fault) -> Child {
        var values = ["version": plan.version.version, "model": plan.version.model, "port": String(port)]
        var additions = [
            ChildEnvironment.marker: Workshop.mark(in: directory, call), ChildEnvironment.portName: String(port),
            "OPENCLAW_MODEL": plan.version.model, "OPENCLAW_VERSION": plan.version.version,
            "OPENCLAW_MODEL_DIR": plan.model.directory,
        ]
        if let version = await registry.version(plan.version), case .artifact = version.source {
            let laidOut = WorkFolder(path: "\(directory)/served/\(plan.version)")
            try await laidOut.empty()
            try await registry.artifacts.materialise(version.digest, at: laidOut.path)
            let artifact = "\(laidOut.path)/\(Workshop.artifact)"
            (values["artifact"], additions["OPENCLAW_ARTIFACT"]) = (artifact, artifact)
        }
        return try Child.start(
            ChildPlan(
                arguments: ["/bin/sh", "-c", CommandLineTemplate.fill(serve.run, values)], directory: plan.model.directory,
                environment: ChildEnvironment.with(additions), outputPath: log))
    }

    /// Waits until the server is ready; one that never is, is stopped.
    private func deployment(of child: Child, on port: Int, _ serve: Model.Serve) async throws(Fault) -> Deployment {
        let origin = "http://127.0.0.1:\(port)"
        let deadline = ContinuousClock.now + .milliseconds(serve.readyTimeoutMilliseconds)
        var last = "it does not answer"
        while !Task.isCancelled {
            if !child.isRunning {
                throw Fault(
                    what: "The server of \(plan.version) ended before it was ready.",
                    why: "`\(serve.run)`\(Workshop.lastWords(log))", fix: "Its output is in \(log).")
            }
            do throws(Fault) {
                let answer = try await outbound.send(.init("GET", origin + serve.ready, deadline: .seconds(5)))
                if answer.status == 200, child.isRunning {
                    return Deployment(
                        url: origin + serve.path, process: .init(id: child.processID, startTime: child.startTime, port: port))
                }
                last = "\(serve.ready) answers \(answer.status)"
            } catch { last = error.why }
            guard ContinuousClock.now < deadline else { break }
            try? await Task.sleep(for: Self.ready)
        }
        await child.stop()
        throw Fault(
            what: "The server of \(plan.version) is not ready.",
            why: "After \(serve.readyTimeoutMilliseconds / 1_000) s \(last)\(Workshop.lastWords(log))",
            fix: "Its output is in \(log); `ready:` of the model names the path that answers 200.")
    }

    /// Waits for somebody else's server.
    private func awaitURL(_ url: String) async throws(Fault) {
        let deadline = ContinuousClock.now + .milliseconds(plan.model.serve?.readyTimeoutMilliseconds ?? 30_000)
        while true {
            guard let trouble = await Self.trouble(at: url, of: plan.model, outbound) else { return }
            guard ContinuousClock.now < deadline, !Task.isCancelled else {
                throw Fault(what: "\(plan.version) does not answer.", why: trouble, fix: "Start what serves \(url).")
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Why a url cannot take traffic; nil when it can. A server of somebody else's may have no readiness path: then any answer
    /// of the url itself will do.
    static func trouble(at url: String, of model: Model?, _ outbound: Outbound) async -> String? {
        do throws(Fault) {
            if let ready = model?.serve?.ready {
                let probe = origin(of: url) + ready
                let status = try await outbound.send(.init("GET", probe, deadline: .seconds(3), caFile: model?.caFile)).status
                if status == 200 { return nil }
                guard status == 404 || status == 405 else { return "\(probe) answers \(status)" }
            }
            _ = try await outbound.send(.init("GET", url, deadline: .seconds(3), caFile: model?.caFile))
            return nil
        } catch { return "\(url) does not answer: \(error.why)" }
    }

    private static func origin(of url: String) -> String {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return parts.prefix(3).joined(separator: "/")
    }

    /// How a watched server ended.
    static func end(of process: Deployment.Process) async -> String? {
        guard let child = Child.adopt(processID: process.id, startTime: process.startTime) else {
            return "it was gone when the daemon looked"
        }
        let status = await child.wait()
        if Task.isCancelled { return nil }
        return switch status {
        case .exited(let code): "it ended with code \(code)"
        case .signalled(let signal): "signal \(signal) ended it"
        case .timedOut, .unknown: "it ended"
        }
    }
}

extension ChildEnvironment {
    static let portName = "OPENCLAW_PORT"

    static func port(of processID: Int32) -> Int? {
        guard let environment = try? WorkFolder.read("/proc/\(processID)/environ", bytesMax: 4 << 20) else { return nil }
        let prefix = Array("\(portName)=".utf8)
        let item = environment.split(separator: 0).first { $0.starts(with: prefix) }
        return item.flatMap { Int(String(decoding: $0.dropFirst(prefix.count), as: UTF8.self)) }
    }
}

/// Ports for servers of ours: below the range from which the kernel takes ports for outgoing connections, so that a server
/// that comes back finds its own port free.
enum FreePort {
    private static let range = 21_000..<31_000
    /// Given to servers that may not listen yet: two that start at once must not get the same one.
    private static let given = Mutex<[Int: ContinuousClock.Instant]>([:])
    private static let reserved = Duration.seconds(60)

    static func find(preferring port: Int?, seed: String) throws(Fault) -> Int {
        if let port, isFree(port) { return port }
        let start = seed.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xff_ffff }
        for offset in 0..<range.count {
            let port = range.lowerBound + (start + offset * 7) % range.count
            if isFree(port), reserve(port) { return port }
        }
        throw Fault(
            .limitReached, what: "No port is free.", why: "All of \(range) on 127.0.0.1 are in use.", fix: "Stop other servers.")
    }

    private static func reserve(_ port: Int) -> Bool {
        let now = ContinuousClock.now
        return given.withLock { given in
            given = given.filter { now - $0.value < reserved }
            return given.updateValue(now, forKey: port) == nil
        }
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // As servers do: connections of an earlier server that linger in TIME_WAIT do not make a port taken.
        var yes: Int32 = 1
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
