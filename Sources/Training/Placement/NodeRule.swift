/// Which nodes may be used, by their labels. A label that stands under `require` must have one of its values; one under `avoid`
/// must have none of them. `*` is any value.
public struct NodeRule: Hashable, Sendable, Codable {
    public var require: [String: [String]]
    public var avoid: [String: [String]]

    public static let anywhere = NodeRule()
    public static let anyValue = "*"

    public init(require: [String: [String]] = [:], avoid: [String: [String]] = [:]) {
        (self.require, self.avoid) = (require, avoid)
    }

    public var isAnywhere: Bool { require.isEmpty && avoid.isEmpty }

    public func admits(_ labels: [String: String]) -> Bool {
        require.allSatisfy { Self.has(labels[$0.key], $0.value) } && !avoid.contains { Self.has(labels[$0.key], $0.value) }
    }

    private static func has(_ value: String?, _ wanted: [String]) -> Bool {
        value.map { wanted.contains($0) || wanted.contains(anyValue) } ?? false
    }

    /// What both of them admit.
    public func and(_ other: NodeRule) -> NodeRule {
        var both = self
        for (label, values) in other.require {
            guard let mine = require[label], !mine.contains(Self.anyValue) else {
                both.require[label] = values
                continue
            }
            both.require[label] = values.contains(Self.anyValue) ? mine : mine.filter(values.contains)
        }
        for (label, values) in other.avoid { both.avoid[label] = Set(avoid[label, default: []] + values).sorted() }
        return both
    }

    /// For a person: `with tier=gpu, without zone=b or c`.
    public var text: String {
        func words(_ labels: [String: [String]]) -> String {
            labels.sorted { $0.key < $1.key }.map { label, values in
                if values.contains(Self.anyValue) { return label }
                return "\(label)=\(values.isEmpty ? "(no value is left)" : values.joined(separator: " or "))"
            }.joined(separator: ", ")
        }
        let parts = [require.isEmpty ? "" : "with \(words(require))", avoid.isEmpty ? "" : "without \(words(avoid))"]
        return parts.filter { !$0.isEmpty }.joined(separator: ", ")
    }
}
