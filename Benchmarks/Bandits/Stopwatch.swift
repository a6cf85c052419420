/// Times a piece of work: the fastest of several rounds, since whatever else the machine does only adds.
enum Stopwatch {
    static func nanoseconds(each count: Int, rounds: Int = 25, _ work: () -> Void) -> Double {
        var fastest = Double.infinity
        for _ in 0..<rounds {
            let time = ContinuousClock().measure(work).components
            fastest = min(fastest, (Double(time.seconds) * 1e9 + Double(time.attoseconds) / 1e9) / Double(count))
        }
        return fastest
    }
}
