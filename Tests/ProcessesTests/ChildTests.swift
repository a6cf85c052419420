import Faults
import Glibc
import TestFolders
import Testing

@testable import Processes

@Suite struct ChildTests {
    let folder = TemporaryFolder()

    private func plan(_ line: String, limit: Int = 16 << 20, environment: [String: String] = ["PATH": "/usr/bin:/bin"]) -> ChildPlan
    {
        ChildPlan(
            arguments: ["/bin/sh", "-c", line], directory: folder.path, environment: environment,
            outputPath: folder.path + "/output",
            outputLimit: limit)
    }

    private var output: String { Child.tail(of: folder.path + "/output", bytes: 1 << 20) }

    /// Looks until something another process does has happened.
    private func until(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(120))
        while !condition() {
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    private func isGone(_ processID: Int32) -> Bool { ProcessTable.entry(processID)?.isZombie ?? true }

    @Test(
        arguments: [("exit 0", .exited(code: 0)), ("exit 7", .exited(code: 7)), ("kill -9 $$", .signalled(9))]
            as [(String, Processes.ExitStatus)])
    func `how it ended is told, again and again`(line: String, status: Processes.ExitStatus) async throws {
        let child = try Child.start(plan(line))
        #expect(await child.wait() == status)
        #expect(await child.wait(limit: .zero) == status)
        #expect(!child.isRunning)
        await child.stop()
    }

    @Test func `both outputs are captured in order, in its folder`() async throws {
        _ = try await Child.start(plan("echo one; echo two >&2; pwd; cat")).wait()
        #expect(output == "one\ntwo\n\(folder.path)")
    }

    @Test func `it gets exactly the environment that is named`() async throws {
        var plan = plan("", environment: ["PATH": "/nowhere:/usr/bin:/bin", "A": "x y"])
        plan.arguments = ["env"]
        _ = try await Child.start(plan).wait()
        #expect(output == "A=x y\nPATH=/nowhere:/usr/bin:/bin")
    }

    @Test func `no descriptor of ours is inherited, not even one without close-on-exec`() async throws {
        let leak = fcntl(STDIN_FILENO, F_DUPFD, 200)
        defer { close(leak) }
        _ = try await Child.start(plan("test -e /proc/$$/fd/0 && test ! -e /proc/$$/fd/\(leak) && echo clean")).wait()
        #expect(output == "clean")
    }

    @Test func `signals that we ignore or block are as usual in the child`() async throws {
        _ = try await Child.start(plan("grep -E 'Sig(Blk|Ign)' /proc/self/status")).wait()
        let masks = output.split(separator: "\n").compactMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) }
        #expect(masks.count == 2 && masks.allSatisfy { $0 & (1 << 12) == 0 && $0 & (1 << 14) == 0 }, "\(output)")
    }

    @Test func `what cannot be started is a fault, and leaves nothing`() async throws {
        var missing = plan("")
        missing.arguments = ["no-such-program"]
        let fault = try #require(throws: Fault.self) { try Child.start(missing) }
        #expect(fault.what.contains("no-such-program") && fault.why.contains("/usr/bin:/bin"))
        missing.arguments = ["/no/such/program"]
        #expect(try #require(throws: Fault.self) { try Child.start(missing) }.why.contains("no such file"))
        missing = plan("true")
        missing.directory = "/no/such/folder"
        #expect(throws: Fault.self) { try Child.start(missing) }
        missing = plan("true\0false")
        #expect(throws: Fault.self) { try Child.start(missing) }
        missing.arguments = []
        #expect(throws: Fault.self) { try Child.start(missing) }
    }

    @Test func `what a command leaves behind in its group is killed with it`() async throws {
        let status = try await Child.start(plan("sleep 1000 & echo $!; (trap '' TERM HUP; sleep 1000) & echo $!")).wait()
        #expect(status == .exited(code: 0))
        let left = output.split(separator: "\n").compactMap { Int32($0) }
        #expect(left.count == 2)
        for processID in left { #expect(isGone(processID)) }
    }

    @Test func `a time limit ends the whole group`() async throws {
        let child = try Child.start(plan("sleep 1000 & echo $!; wait"))
        try await until { !output.isEmpty }
        #expect(await child.wait(limit: .milliseconds(20)) == .timedOut)
        #expect(!child.isRunning && isGone(child.processID))
        #expect(isGone(try #require(Int32(output))))
    }

    @Test func `who ignores SIGTERM is killed after the grace`() async throws {
        let child = try Child.start(plan("trap '' TERM; echo ready; while :; do sleep 1000; done"))
        try await until { output == "ready" }
        await child.stop(grace: .milliseconds(50))
        #expect(await child.wait() == .signalled(SIGKILL))
    }

    @Test func `a worker may finish within the grace, although its leader ends first`() async throws {
        let line = "(trap 'echo finishing; sleep 0.2; echo finished; exit' TERM; echo ready; while :; do sleep 0.05; done) & wait"
        let child = try Child.start(plan(line))
        try await until { output == "ready" }
        await child.stop(grace: .seconds(30))
        #expect(output.hasSuffix("finishing\nfinished"), "\(output)")
    }

    @Test func `output past its limit is cut, and says so`() async throws {
        let child = try Child.start(plan("head -c 3000000 /dev/zero; echo; echo last words", limit: 1_000_000))
        _ = await child.wait()
        var status = stat()
        #expect(unsafe stat(folder.path + "/output", &status) == 0)
        #expect(status.st_size < 1_000_100)
        #expect(Child.tail(of: folder.path + "/output", bytes: 60) == "[cut: only the first 1000000 bytes of output are kept]")
    }

    @Test func `output stays within its limit while the child runs on`() async throws {
        let child = try Child.start(plan("while :; do echo a line of output; done", limit: 10_000))
        try await until { Child.tail(of: folder.path + "/output", bytes: 10_060).contains("[cut:") }
        await child.stop()
        var status = stat()
        #expect(unsafe stat(folder.path + "/output", &status) == 0)
        #expect(status.st_size < 10_100)
    }

    @Test func `a child is taken up again after its handle is gone`() async throws {
        var first: Child? = try Child.start(plan("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"))
        let (processID, startTime) = try #require(first.map { ($0.processID, $0.startTime) })
        try await until { output == "ready" }
        first = nil
        let again = try #require(Child.adopt(processID: processID, startTime: startTime))
        #expect(again.isRunning)
        await again.stop()
        #expect(await again.wait() == .exited(code: 5))
        #expect(Child.adopt(processID: processID, startTime: startTime) == nil)
    }

    @Test func `a process of an earlier life is taken up, and its end is known but not its status`() async throws {
        // setsid starts a group of its own whose parent, the shell, is gone: nobody's child but init's.
        let line = "setsid sh -c 'echo $$; exec >later; while :; do echo more output; done' & while [ ! -s later ]; do :; done"
        #expect(try await Child.start(plan(line)).wait() == .exited(code: 0))
        let processID = try #require(Int32(output))
        let startTime = try #require(ProcessTable.entry(processID)?.startTime)
        #expect(Child.adopt(processID: processID, startTime: startTime + 1) == nil)
        let child = try #require(Child.adopt(processID: processID, startTime: startTime, outputLimit: 5_000))
        try await until { Child.tail(of: folder.path + "/later", bytes: 5_060).contains("[cut:") }
        #expect(child.isRunning)
        await child.stop()
        #expect(await child.wait() == .unknown)
        #expect(isGone(processID))
    }

    @Test func `our own process and no process cannot be adopted`() {
        #expect(Child.adopt(processID: 1, startTime: 0) == nil)
        #expect(Child.adopt(processID: -1, startTime: 0) == nil)
        #expect(Child.adopt(processID: getpid(), startTime: 0) == nil)
    }

    @Test func `many children at once are each told apart`() async throws {
        await withTaskGroup(of: Bool.self) { group in
            for code in 0..<40 as Range<Int32> {
                let plan = ChildPlan(
                    arguments: ["/bin/sh", "-c", "exit \(code)"], directory: folder.path, environment: [:],
                    outputPath: folder.path + "/output\(code)")
                group.addTask { (try? await Child.start(plan).wait()) == .exited(code: code) }
            }
            for await right in group { #expect(right) }
        }
    }

    @Test func `the tail is whole lines`() throws {
        let path = folder.path + "/text"
        let text = "first line\nsecond line\nthird line\n"
        let file = unsafe open(path, O_WRONLY | O_CREAT, 0o600)
        #expect(unsafe write(file, text, text.utf8.count) == text.utf8.count)
        close(file)
        #expect(Child.tail(of: path) == "first line\nsecond line\nthird line")
        #expect(Child.tail(of: path, bytes: 20) == "third line")
        #expect(Child.tail(of: path, bytes: 5) == "line")
        #expect(Child.tail(of: folder.path + "/none") == "")
    }
}
