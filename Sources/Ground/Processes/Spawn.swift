internal import CLinux
import Faults
import Glibc

extension ChildPlan {
    /// Starts the process: its own group, default signals, input from /dev/null, output to `output`, no other descriptor.
    func spawn(output: Int32) throws(Fault) -> Int32 {
        guard let program = arguments.first, !program.isEmpty else {
            throw refusal("it names no program", fix: "Name one.")
        }
        guard ([directory] + arguments + environment.flatMap { [$0.key, $0.value] }).allSatisfy({ !$0.utf8.contains(0) }) else {
            throw refusal("a NUL byte stands in it", fix: "Remove it.")
        }
        let path = try locate(program)
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        unsafe claw_spawn_close_from(&actions, 3)
        unsafe claw_spawn_chdir(&actions, directory)
        var attributes = Self.attributes()
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var processID: pid_t = 0
        let code = unsafe Self.withCStrings(arguments) { argv in
            unsafe Self.withCStrings(environment.map { "\($0.key)=\($0.value)" }.sorted()) { envp in
                unsafe posix_spawn(&processID, path, &actions, &attributes, argv, envp)
            }
        }
        guard code == 0 else {
            throw refusal(
                unsafe String(cString: strerror(code)).lowercased(),
                fix: "Check that the program and its folder exist and may be used.")
        }
        return processID
    }

    private func refusal(_ why: String, fix: String) -> Fault {
        Fault(
            what: "The command '\(arguments.joined(separator: " "))' cannot be started.", why: "In \(directory): \(why).", fix: fix)
    }

    /// posix_spawnp would look in our own PATH; the child's counts.
    private func locate(_ program: String) throws(Fault) -> String {
        if program.contains("/") { return program }
        let folders = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
        for folder in folders where unsafe access("\(folder)/\(program)", X_OK) == 0 { return "\(folder)/\(program)" }
        throw refusal(
            "no program named \(program) stands in \(folders.joined(separator: ":"))",
            fix: "Install it, or name it with its folder.")
    }

    private static func attributes() -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        // What this daemon ignores (SIGPIPE) is not ignored in the child.
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)))
        return attributes
    }

    static func withCStrings<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        let pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }
}
