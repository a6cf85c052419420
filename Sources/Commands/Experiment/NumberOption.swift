import Arguments
import Faults

extension Invocation {
    /// The number of an option that may be left out; nil where it is.
    func number(_ name: String, within low: Double, _ high: Double) throws(Fault) -> Double? {
        guard let text = value(name) else { return nil }
        guard let number = Double(text), number >= low, number <= high else {
            throw Fault(
                .usage, what: "--\(name) \(text) is not possible", why: "it is a number from \(low) to \(high)",
                fix: "leave it out for the standard")
        }
        return number
    }
}
