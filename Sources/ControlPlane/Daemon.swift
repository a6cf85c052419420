public import Faults
public import Sockets

/// The whole of `openclaw serve`: opens the home, restores the services, wires them, serves both planes.
public final class Daemon: Sendable {
    public struct Settings: Sendable {
        public var home: String
        public var gateway: SocketAddress
        public var control: SocketAddress
        public var loops: Int
        public var applyFiles: [String]
        public var stopServersAtExit: Bool
        public init(
            home: String, gateway: SocketAddress, control: SocketAddress, loops: Int, applyFiles: [String], stopServersAtExit: Bool
        ) {
            (self.home, self.gateway, self.control, self.loops, self.applyFiles, self.stopServersAtExit) =
                (home, gateway, control, loops, applyFiles, stopServersAtExit)
        }
    }
    init() {}
    public static func start(_ settings: Settings) async throws(Fault) -> Daemon { preconditionFailure("contract") }
    public func drain() async { preconditionFailure("contract") }
}
