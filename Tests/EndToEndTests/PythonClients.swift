import Faults
import Glibc
import Processes
import TestFolders

/// The official clients that tests speak to OpenClaw with, in an environment of their own (scripts/setup-clients.sh).
enum PythonClients {
    static let python = "\(Workshop.root)/.build/clients/bin/python"

    /// False only where they cannot be installed, which is said.
    static func areThere() async -> Bool { await setup.value }

    private static let setup = Task<Bool, Never> { await install("the official clients", by: "setup-clients.sh") }

    /// Runs one of the scripts that make an environment for Python.
    static func install(_ what: String, by script: String) async -> Bool {
        let folder = TemporaryFolder()
        do throws(Fault) {
            let child = try Child.start(
                .init(
                    arguments: ["/bin/bash", "\(Workshop.root)/scripts/\(script)"], directory: Workshop.root,
                    environment: Surroundings.variables, outputPath: "\(folder.path)/setup.log"))
            if case .exited(code: 0) = await child.wait(limit: .seconds(600)) { return true }
            print("SKIPPED, because \(what) cannot be installed:\n\(folder.text(of: "setup.log"))")
        } catch {
            print("SKIPPED, because \(what) cannot be installed: \(error.what) \(error.why)")
        }
        return false
    }
}

/// What the machine says to every process: where packages come from, and through what, is its business.
enum Surroundings {
    static var variables: [String: String] {
        var all: [String: String] = [:]
        var next = unsafe environ
        while let entry = unsafe next.pointee {
            let text = unsafe String(cString: entry)
            if let equals = text.firstIndex(of: "=") { all[String(text[..<equals])] = String(text[text.index(after: equals)...]) }
            unsafe next += 1
        }
        return all
    }
}
