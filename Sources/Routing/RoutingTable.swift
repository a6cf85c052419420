public import Faults

/// All routes at one moment: what the gateway serves by. A newer one has a higher position; an older one is refused.
public struct RoutingTable: Equatable, Sendable, Codable {
    public var position: Int64
    public var routes: [Route]
    public init(position: Int64, routes: [Route]) { (self.position, self.routes) = (position, routes) }

    /// The copy on disk (written atomically: temporary file, fsync, rename), so that a gateway serves without a database.
    public func write(to path: String) throws(Fault) { preconditionFailure("contract") }
    public static func read(from path: String) throws(Fault) -> RoutingTable? { preconditionFailure("contract") }
}
