import Experiments
import Glibc

// What the product's bandits do on two known problems, as one JSON line: Benchmarks/bandits.py sets other libraries beside it.

let usage = """
    usage: openclaw-bandits arms [--seeds N] [--first N] [--batch N] [--horizon N] [--strategy NAME]
           openclaw-bandits digits [--seeds N] [--first N] [--strategy NAME] [--exploration X] < digits.csv
    """

func refuse(_ why: String) -> Never {
    print("error: \(why)\n\(usage)")
    exit(2)
}

var rest = CommandLine.arguments.dropFirst()
let problem = rest.popFirst() ?? "--help"
var options: [String: String] = [:]
while let option = rest.popFirst() {
    guard ["--seeds", "--first", "--batch", "--horizon", "--strategy", "--exploration"].contains(option),
        let value = rest.popFirst()
    else { refuse("\(option) is not an option, or has no value") }
    options[option] = value
}

@MainActor func number(_ option: String, usually: Int) -> Int {
    guard let text = options[option] else { return usually }
    guard let value = Int(text), (0...1_000_000_000).contains(value) else { refuse("\(option) takes a whole number") }
    return value
}

@MainActor func strategy(usually: Allocation.Strategy) -> Allocation.Strategy {
    guard let text = options["--strategy"] else { return usually }
    guard let strategy = Allocation.Strategy(rawValue: text) else { refuse("\(text) is not a strategy") }
    return strategy
}

/// Numbers as JSON writes them.
func list(_ numbers: [Double]) -> String { "[" + numbers.map { "\($0)" }.joined(separator: ",") + "]" }

let first = UInt64(number("--first", usually: 1))
let seeds = first..<(first + UInt64(max(1, number("--seeds", usually: 20))))

switch problem {
case "arms":
    // No floor and no warm-up: the other libraries have none either.
    let arms = BernoulliArms(
        rates: [0.04, 0.05, 0.06, 0.07, 0.10], horizon: max(1, number("--horizon", usually: 10_000)),
        batch: max(1, number("--batch", usually: 25)),
        allocation: Allocation(strategy: strategy(usually: .thompson), floor: 0, warmUp: 0))
    let regrets = seeds.map { arms.regret(seed: $0) }
    let costs = arms.costs()
    print("{\"decision_ns\":\(costs.decision),\"table_ns\":\(costs.table),\"regret\":\(list(regrets))}")
case "digits":
    var text = ""
    while let line = readLine(strippingNewline: false) { text += line }
    let exploration = options["--exploration"].flatMap { Double($0) } ?? Allocation().exploration
    guard
        let digits = DigitStream(
            csv: text,
            allocation: Allocation(
                strategy: strategy(usually: .linUCB), floor: 0, warmUp: 0, exploration: exploration))
    else { refuse("the standard input has no rows of a label and its pixels") }
    let errors = seeds.map { Double(digits.errors(seed: $0)) }
    print("{\"decision_ns\":\(digits.decisionCost()),\"errors\":\(list(errors))}")
case "--help": print(usage)
default: refuse("\(problem) is not a problem")
}
