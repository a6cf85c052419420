public import Faults
public import JSON

/// A fault as the ledger keeps it.
public struct Trouble: Sendable, Equatable, Codable {
    public var what: String
    public var why: String
    public var fix: String
    /// True for what may be over in a moment: a disk that takes nothing now, a service that is not up yet.
    public var mayPass: Bool?
    public init(_ fault: Fault) {
        (what, why, fix, mayPass) = (fault.what, fault.why, fault.fix, fault.kind == .unavailable ? true : nil)
    }
    public init(what: String, why: String, fix: String, mayPass: Bool? = nil) {
        (self.what, self.why, self.fix, self.mayPass) = (what, why, fix, mayPass)
    }
    public var json: JSONValue { ["what": .string(what), "why": .string(why), "fix": .string(fix)] }
}
