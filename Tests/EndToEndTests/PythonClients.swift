import Faults
import Glibc
import Processes
import TestFolders

/// The official clients that tests speak to OpenClaw with, in an environment of their own (scripts/setup-clients.sh).
enum PythonClients {
    static let python = "\(Workshop.root)/.build/clients/bin/python"

    /// False only where they cannot be installed, which is said.
    static func areThere() async -> Bool { await setup.value }

    private static let setup = Task<Bool, Never> { await install() }

    private static func install() async -> Bool {
        let folder = TemporaryFolder()
        do throws(Fault) {
            let child = try Child.start(
                .init(
                    arguments: ["/bin/bash", "\(Workshop.root)/scripts/setup-clients.sh"], directory: Workshop.root,
                    environment: inherited, outputPath: "\(folder.path)/setup.log"))
            if case .exited(code: 0) = await child.wait(limit: .seconds(600)) { return true }
            print("SKIPPED, because the official clients cannot be installed:\n\(folder.text(of: "setup.log"))")
        } catch {
            print("SKIPPED, because the official clients cannot be installed: \(error.what) \(error.why)")
        }
        return false
    }

    /// Where packages come from, and through what, is the machine's business.
    private static var inherited: [String: String] {
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
