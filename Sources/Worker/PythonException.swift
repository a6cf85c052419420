/// Finds what a Python process said last when an exception ended it.
enum PythonException {
    /// `ValueError: no such column`; nil where no traceback stands in the lines. Of a chain of tracebacks the last is what ended
    /// it.
    static func last(in lines: [String]) -> String? {
        guard let start = lines.lastIndex(where: { $0.contains("Traceback (most recent call last):") }) else { return nil }
        // torchrun and others put something before each line; the traceback's own indentation follows it.
        let indent = lines[start].prefix { $0 == " " }.count
        for line in lines[(start + 1)...] {
            let text = line.dropFirst(indent)
            guard let first = text.first, !first.isWhitespace else { continue }
            let name = text.prefix { $0 != ":" }
            let isName = !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
            if isName { return String(text.prefix(2_000)) }
        }
        return nil
    }
}
