public import Faults
public import YAML

extension Gate {
    /// Reads the `gates:` mapping strictly (unknown names are refused with the closest known one). Each limit may be written
    /// the ways its unit is written; `release plan` prints how it was read.
    public static func gates(_ node: YAMLNode) throws(Fault) -> [Gate] {
        let mapping = try node.mapping("gates")
        var gates: [Gate] = []
        for entry in mapping.entries {
            guard let measure = Measure(rawValue: entry.key) else { throw unknown(entry) }
            gates.append(Gate(measure, limit: try limit(of: measure, entry.value), line: entry.keyLine))
        }
        return gates
    }

    private static func unknown(_ entry: YAMLNode.Entry) -> Fault {
        let known = Measure.allCases.map(\.rawValue)
        let near = Suggestion.closest(to: entry.key, among: known)
        return Fault(
            .badConfiguration,
            what: "\(entry.key) is not a gate",
            why: "\(entry.value.file) line \(entry.keyLine); gates are read strictly, so that a typing error cannot switch one off",
            fix: (near.map { "did you mean \($0)? " } ?? "") + "`openclaw release gates` lists them all")
    }

    private static func limit(of measure: Measure, _ node: YAMLNode) throws(Fault) -> Double {
        switch measure {
        case .p50Latency, .p95Latency, .p99Latency: try milliseconds(measure, node)
        case .errorRate: try percent(measure, node)
        case .quality: try share(measure, node, topIncluded: false)
        case .coverage: try share(measure, node, topIncluded: true)
        case .errorRateIncrease, .p95Increase: try ratio(measure, node)
        }
    }

    /// `250`, `250ms`, `1.5s`: up to an hour.
    private static func milliseconds(_ measure: Measure, _ node: YAMLNode) throws(Fault) -> Double {
        let text = try node.string()
        let value = Quantity.duration(text).map(milliseconds) ?? Double(text)
        guard let value else {
            throw node.fault(
                "\(measure.rawValue): '\(text)' is not a latency", why: "a number of milliseconds or a duration is expected",
                fix: "write it like 250, 250ms or 1.5s")
        }
        guard value > 0, value <= 3_600_000 else {
            throw outOfRange(measure, text, node, range: "over 0 and up to one hour (3600000)", fix: "write it like 250 or 250ms")
        }
        return value
    }

    private static func milliseconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) * 1_000 + Double(duration.components.attoseconds) * 1e-15
    }

    /// `0.5` and `0.5%` are both half a percent.
    private static func percent(_ measure: Measure, _ node: YAMLNode) throws(Fault) -> Double {
        let text = try node.string()
        guard let value = Quantity.percentage(text) ?? Double(text).map({ $0 / 100 }), value.isFinite else {
            throw node.fault(
                "\(measure.rawValue): '\(text)' is not a percentage", why: "a number is expected; without a sign it is in percent",
                fix: "write it like 0.5 or 0.5%")
        }
        guard value >= 1e-6, value < 1 else {
            throw outOfRange(
                measure, text, node, range: "from 0.0001 % to below 100 %; no number of answers proves a rate of zero",
                fix: "write it like 0.5 or 0.5%")
        }
        return value
    }

    /// `0.92` and `92%` are the same.
    private static func share(_ measure: Measure, _ node: YAMLNode, topIncluded: Bool) throws(Fault) -> Double {
        let text = try node.string()
        guard let value = Quantity.percentage(text) ?? Double(text), value.isFinite else {
            throw node.fault(
                "\(measure.rawValue): '\(text)' is not a number from 0 to 1", why: "a fraction or a percentage is expected",
                fix: "write it like \(measure.example)")
        }
        guard value > 0, topIncluded ? value <= 1 : value < 1 else {
            throw outOfRange(
                measure, text, node, range: topIncluded ? "over 0 and up to 1 (100%)" : "over 0 and below 1",
                fix: "write it like \(measure.example)")
        }
        return value
    }

    /// `2x` and `2` are twice as much at most; `10%` is a tenth more, 1.1.
    private static func ratio(_ measure: Measure, _ node: YAMLNode) throws(Fault) -> Double {
        let text = try node.string()
        let number = text.hasSuffix("x") ? Double(text.dropLast()) : Double(text)
        guard let value = Quantity.percentage(text).map({ 1 + $0 }) ?? number, value.isFinite else {
            throw node.fault(
                "\(measure.rawValue): '\(text)' is not an increase", why: "a factor or a percentage on top is expected",
                fix: "write it like 2x (at most twice) or 10% (at most a tenth more, 1.1x)")
        }
        guard value > 1, value <= 1_000 else {
            throw outOfRange(
                measure, text, node, range: "a factor over 1 and up to 1000; at 1 and below even an equal version could not pass",
                fix: "write it like 2x (at most twice) or 10% (at most a tenth more, 1.1x)")
        }
        return value
    }

    private static func outOfRange(_ measure: Measure, _ text: String, _ node: YAMLNode, range: String, fix: String) -> Fault {
        node.fault("\(measure.rawValue): \(text) is out of range", why: "the limit must be \(range)", fix: fix)
    }
}
