import Glibc

/// Several questions at once.
public enum Multiplicity {
    /// e-BH (Wang and Ramdas 2022): which claims fall when e-values of any dependence are tested together, so that at most alpha
    /// of those that fall are true, in the mean. `logValues` are ln e.
    public static func discoveries(logValues: [Double], alpha: Double) -> [Bool] {
        let count = Double(logValues.count)
        let sorted = logValues.sorted(by: >)
        var threshold = Double.infinity
        for (place, value) in sorted.enumerated() where value >= log(count / (alpha * Double(place + 1))) { threshold = value }
        return logValues.map { $0 >= threshold }
    }

    /// Holm's step-down p-values (1979): any that is at most alpha is significant with all of them together.
    public static func holm(_ pValues: [Double]) -> [Double] {
        let order = pValues.indices.sorted { (pValues[$0], $0) < (pValues[$1], $1) }
        var adjusted = pValues
        var greatest = 0.0
        for (place, index) in order.enumerated() {
            greatest = max(greatest, min(1, pValues[index] * Double(pValues.count - place)))
            adjusted[index] = greatest
        }
        return adjusted
    }
}
