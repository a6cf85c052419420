import Faults
import YAML

extension NodeRule {
    static let labelsMax = 64
    static let valuesMax = 64

    /// Reads the value of a `nodes:` key: `{ require: { tier: gpu }, avoid: { zone: [b, c] } }`.
    init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("which nodes may be used")
        try file.refuseUnknown(known: ["require", "avoid"])
        self.init()
        if let node = file["require"] { require = try Self.labels(node) }
        if let node = file["avoid"] { avoid = try Self.labels(node) }
    }

    private static func labels(_ node: YAMLNode) throws(Fault) -> [String: [String]] {
        var labels: [String: [String]] = [:]
        for entry in try node.mapping("labels of nodes").entries {
            let name = try NodeLabel.name(entry.key, at: entry.value)
            var values: [String] = []
            if case .sequence = entry.value.content {
                for item in try entry.value.list() { values.append(try value(item)) }
            } else {
                values = [try value(entry.value)]
            }
            guard !values.isEmpty, values.count <= valuesMax else {
                throw entry.value.fault(
                    "\(name) names \(values.count) values.", why: "from 1 to \(valuesMax) are expected.",
                    fix: "Write one value, a list of them, or \"*\" for any.")
            }
            labels[name] = values
        }
        guard labels.count <= labelsMax else {
            throw node.fault(
                "There are \(labels.count) labels.", why: "\(labelsMax) at most are looked at.",
                fix: "Mark such nodes with one label.")
        }
        return labels
    }

    private static func value(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        return text == anyValue ? text : try NodeLabel.value(text, at: node)
    }
}

/// What a label of a node may be called, and hold.
enum NodeLabel {
    static let lengthMax = 128

    static func isName(_ text: String) -> Bool { isText(text) && !text.isEmpty }
    static func isValue(_ text: String) -> Bool { isText(text) }

    private static func isText(_ text: String) -> Bool {
        text.utf8.count <= lengthMax
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || [0x2D, 0x2E, 0x2F, 0x3A, 0x5F].contains(byte)
            }
    }

    static let rule = "up to \(lengthMax) letters, digits, '.', '-', '_', '/' and ':'"

    static func name(_ text: String, at node: YAMLNode) throws(Fault) -> String {
        guard isName(text) else {
            throw node.fault(
                "'\(text)' cannot be a label.", why: "a label has \(rule).", fix: "Write it like tier or rack.example/row.")
        }
        return text
    }

    static func value(_ text: String, at node: YAMLNode) throws(Fault) -> String {
        guard isValue(text) else {
            throw node.fault(
                "'\(text)' cannot be a label's value.", why: "it has \(rule).", fix: "Write it like gpu or eu-west-1a.")
        }
        return text
    }
}
