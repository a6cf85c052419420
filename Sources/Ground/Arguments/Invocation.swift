import Faults

/// What the user typed, parsed against one command. Asking for a name that the command does not declare is a mistake of ours.
public struct Invocation: Sendable {
    private let declared: Set<String>
    private var given: [String: [String]] = [:]

    init(of parameters: [Parameter]) { declared = Set(parameters.map(\.name)) }

    public func has(_ flag: String) -> Bool { given[known(flag)] != nil }
    /// An option's value, or an operand's.
    public func value(_ name: String) -> String? { given[known(name)]?.last }
    public func values(_ name: String) -> [String] { given[known(name)] ?? [] }
    /// A required operand (the parser has already refused its absence).
    public func operand(_ name: String) -> String {
        guard let value = value(name) else { preconditionFailure("the operand \(name) is not declared as required") }
        return value
    }

    private func known(_ name: String) -> String {
        let name = Parameter.bare(name)
        precondition(declared.contains(name), "the command does not declare '\(name)'")
        return name
    }

    mutating func give(_ value: String, to parameter: Parameter) throws(Fault) {
        if !parameter.repeats, given[parameter.name] != nil {
            throw Fault(
                .usage, what: "\(parameter.dashed) is given twice", why: "it has one meaning, and two values could disagree",
                fix: "keep one of them")
        }
        given[parameter.name, default: []].append(value)
    }
}
