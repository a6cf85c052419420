import Glibc

/// The environment variables that OpenClaw reads.
enum Environment {
    static let names = ["OPENCLAW_HOME", "OPENCLAW_TOKEN", "XDG_STATE_HOME", "HOME", "NO_COLOR", "TERM"]

    static var current: [String: String] {
        var values: [String: String] = [:]
        for name in names {
            if let value = unsafe getenv(name) { values[name] = unsafe String(cString: value) }
        }
        return values
    }
}
