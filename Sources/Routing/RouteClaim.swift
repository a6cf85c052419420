public import Ledger

/// The one owner of a route ("release/fraud-model-v12"): while it holds the claim nobody else moves the route.
///
/// `fence` is the highest ledger position that the owner acted under. An effect that is performed again after a crash comes
/// with an older one and is ignored. It stays after the claim was given back, so that the same owner goes on from there.
public struct RouteClaim: Equatable, Sendable, Codable {
    public let owner: String
    public internal(set) var fence: Position
    public internal(set) var isHeld: Bool

    init(owner: String) { (self.owner, fence, isHeld) = (owner, .none, true) }

    /// Whether an effect under `position` is newer than, or the same as, the last one.
    func admits(_ position: Position) -> Bool { position >= fence }
}
