/// `fraud-model@v12`
public struct VersionID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public var model: String
    public var version: String
    public init(model: String, version: String) { (self.model, self.version) = (model, version) }

    /// `fraud-model@v12`; nil when either part is no name.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, Name.objection(to: parts[0]) == nil, Name.objection(toVersion: parts[1]) == nil else { return nil }
        self.init(model: parts[0], version: parts[1])
    }

    public var description: String { "\(model)@\(version)" }
    public static func < (a: VersionID, b: VersionID) -> Bool { (a.model, a.version) < (b.model, b.version) }
}
