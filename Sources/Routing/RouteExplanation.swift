public import JSON

/// Why a unit gets the variant it gets: `openclaw route explain`.
public struct RouteExplanation: Equatable, Sendable {
    public var route: String
    public var unit: String
    public var bucket: Int
    public var variant: String
    public var reason: String

    /// `{"bucket","reason","route","unit","variant"}`
    public var json: JSONValue {
        [
            "route": .string(route), "unit": .string(unit), "bucket": .integer(Int64(bucket)), "variant": .string(variant),
            "reason": .string(reason),
        ]
    }
}

extension Route {
    /// What the gateway answers `unit` with, and why. `unit` is the identity as the request carries it (a header's value, say).
    public func explain(unit text: String) -> RouteExplanation {
        let unit = UnitID(text)
        let bucket = unit.bucket(salt: split.salt, of: split.owners.count)
        let id = split.variant(for: unit)
        let share = Share.text(split.shares[id] ?? 0)
        let variant = variant(id)?.name ?? "?"
        return RouteExplanation(
            route: name, unit: text, bucket: bucket, variant: variant,
            reason: "the unit (\(self.unit.text)) hashes to bucket \(bucket) of 10 000, which \(variant) owns; it owns \(share)")
    }
}
