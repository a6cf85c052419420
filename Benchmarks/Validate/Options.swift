import Glibc

/// `openclaw-validate [--runs N] [--seed N] [--only TEXT] [--json]`.
struct Options: Sendable {
    var runs = 2_000
    var seed: UInt64 = 1
    /// Only scenarios whose name contains this.
    var only = ""
    var isJSON = false

    static let usage = "usage: openclaw-validate [--runs N] [--seed N] [--only TEXT] [--json]"

    init(_ arguments: [String]) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "--json": isJSON = true
            case "--runs": runs = number(&rest, after: option, in: 10...10_000_000)
            case "--seed": seed = UInt64(number(&rest, after: option, in: 0...Int.max))
            case "--only": only = rest.popFirst() ?? ""
            case "--help", "-h":
                print(Self.usage)
                exit(0)
            default: Self.refuse("\(option) is not an option")
            }
        }
    }

    private func number(_ rest: inout ArraySlice<String>, after option: String, in range: ClosedRange<Int>) -> Int {
        guard let value = rest.popFirst().flatMap({ Int($0) }), range.contains(value) else {
            Self.refuse("\(option) takes a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    static func refuse(_ why: String) -> Never {
        print("error: \(why)\n\(usage)")
        exit(2)
    }
}
