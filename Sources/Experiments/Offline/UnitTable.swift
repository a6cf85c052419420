import Faults

/// A file's rows gathered by unit: what each unit came to under each metric, exactly.
struct UnitTable {
    /// One unit's values of one metric.
    struct Total {
        var count = 0
        var sum = 0.0
        var denominator = 0.0
    }

    static let variantsMax = 100

    private(set) var variants: [String] = []
    private(set) var rows = 0
    /// The variant of each unit; nil when it was seen in several.
    private(set) var assigned: [Int?] = []
    /// By metric, then by unit.
    private(set) var totals: [[Total]]
    /// Of quantile metrics, by metric: every value with its unit.
    private(set) var values: [[(unit: Int, value: Double)]]
    /// Sum and count of each unit's covariate.
    private(set) var covariates: [(sum: Double, count: Int)] = []

    private let question: OfflineQuestion
    private var unitsByName: [String: Int] = [:]
    private var variantsByName: [String: Int] = [:]

    init(path: String, _ question: OfflineQuestion) throws(Fault) {
        self.question = question
        totals = question.metrics.map { _ in [] }
        values = question.metrics.map { _ in [] }
        var reader = try CSVReader(path: path)
        var row = CSVReader.Row()
        guard try reader.next(into: &row) else {
            throw Fault(.badConfiguration, what: "\(path) is empty", why: "it has no line of column names", fix: "export it again")
        }
        let columns = try Columns(row, question, path)
        while try reader.next(into: &row) {
            guard row.count == columns.count else {
                throw Fault(
                    .badConfiguration, what: "\(path) line \(row.line) has \(row.count) fields",
                    why: "the first line names \(columns.count) columns", fix: "mend the line; a comma inside a field needs quotes")
            }
            try add(row, columns, path)
        }
        guard rows > 0 else {
            throw Fault(
                .badConfiguration, what: "\(path) has no rows", why: "only column names stand in it", fix: "export it again")
        }
    }

    var unitsInSeveral: Int { assigned.count { $0 == nil } }

    private mutating func add(_ row: CSVReader.Row, _ columns: Columns, _ path: String) throws(Fault) {
        let (name, variantName) = (row[columns.unit], row[columns.variant])
        guard !name.isEmpty, !variantName.isEmpty else {
            throw Fault(
                .badConfiguration, what: "\(path) line \(row.line) has no \(name.isEmpty ? "unit" : "variant")",
                why: "every row belongs to a unit and a variant", fix: "leave such rows out, or fill the column")
        }
        rows += 1
        let variant = try place(of: variantName, row.line, path)
        let unit = unitsByName[name] ?? newUnit(name, variant)
        if assigned[unit] != variant { assigned[unit] = nil }
        for (place, metric) in question.metrics.enumerated() {
            guard let value = try number(row, columns.metrics[place], metric.name, path) else { continue }
            if metric.kind == .binary, value != 0, value != 1 { throw notBinary(row, columns.metrics[place], metric.name, path) }
            totals[place][unit].count += 1
            totals[place][unit].sum += value
            if let column = columns.denominators[place] {
                totals[place][unit].denominator += try number(row, column, metric.denominator ?? "", path) ?? 0
            }
            if metric.kind == .quantile { values[place].append((unit, value)) }
        }
        guard let column = columns.covariate, let value = try number(row, column, question.covariate ?? "", path) else { return }
        covariates[unit].sum += value
        covariates[unit].count += 1
    }

    private mutating func newUnit(_ name: String, _ variant: Int) -> Int {
        let unit = assigned.count
        unitsByName[name] = unit
        assigned.append(variant)
        for place in totals.indices { totals[place].append(Total()) }
        covariates.append((0, 0))
        return unit
    }

    private mutating func place(of variant: String, _ line: Int, _ path: String) throws(Fault) -> Int {
        if let known = variantsByName[variant] { return known }
        guard variants.count < Self.variantsMax else {
            throw Fault(
                .badConfiguration, what: "\(path) line \(line) names one variant too many",
                why: "column '\(question.variant)' has more than \(Self.variantsMax) different values",
                fix: "name the column of variants with --variant")
        }
        variantsByName[variant] = variants.count
        variants.append(variant)
        return variants.count - 1
    }

    /// Nil where nothing stands (or NA, NaN, null, as exports write it).
    private func number(_ row: CSVReader.Row, _ column: Int, _ name: String, _ path: String) throws(Fault) -> Double? {
        let text = row[column]
        switch text {
        case "", "NA", "N/A", "NaN", "nan", "null", "NULL", "None": return nil
        case "true", "True", "TRUE": return 1
        case "false", "False", "FALSE": return 0
        default: break
        }
        guard let value = Double(text), value.isFinite else {
            throw Fault(
                .badConfiguration, what: "\(path) line \(row.line): '\(text.prefix(40))' is not a number",
                why: "column '\(name)' is asked for as one", fix: "mend the line, or leave the field empty where nothing is known")
        }
        return value
    }

    private func notBinary(_ row: CSVReader.Row, _ column: Int, _ name: String, _ path: String) -> Fault {
        Fault(
            .badConfiguration, what: "\(path) line \(row.line): '\(row[column].prefix(40))' is neither 0 nor 1",
            why: "column '\(name)' is asked for as a binary metric", fix: "ask for it as \(name):mean or \(name):count")
    }
}

/// Where the columns stand that are asked for.
private struct Columns {
    let count: Int
    let unit: Int
    let variant: Int
    let metrics: [Int]
    let denominators: [Int?]
    let covariate: Int?

    init(_ row: CSVReader.Row, _ question: OfflineQuestion, _ path: String) throws(Fault) {
        let names = (0..<row.count).map { row[$0] }
        func place(_ name: String) throws(Fault) -> Int {
            let places = names.indices.filter { names[$0] == name }
            guard let place = places.first else {
                let near = Suggestion.closest(to: name, among: names).map { "did you mean '\($0)'? " } ?? ""
                throw Fault(
                    .badConfiguration, what: "\(path) has no column '\(name)'",
                    why: "its first line names \(names.prefix(20).joined(separator: ", "))\(names.count > 20 ? ", ..." : "")",
                    fix: near + "columns are named exactly as in the first line, separated by commas")
            }
            guard places.count == 1 else {
                throw Fault(
                    .badConfiguration, what: "\(path) has two columns '\(name)'", why: "it cannot be told which one is meant",
                    fix: "rename one of them")
            }
            return place
        }
        count = names.count
        unit = try place(question.unit)
        variant = try place(question.variant)
        var (metrics, denominators): ([Int], [Int?]) = ([], [])
        for metric in question.metrics {
            metrics.append(try place(metric.name))
            var denominator: Int?
            if let name = metric.denominator { denominator = try place(name) }
            denominators.append(denominator)
        }
        (self.metrics, self.denominators) = (metrics, denominators)
        var covariate: Int?
        if let name = question.covariate { covariate = try place(name) }
        self.covariate = covariate
    }
}
