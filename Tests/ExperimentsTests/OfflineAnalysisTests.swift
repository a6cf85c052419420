import Experiments
import Faults
import FoundationEssentials
import JSON
import Statistics
import TestFolders
import Testing

/// Files of outcomes: read strictly, gathered by unit, compared as the textbooks do.
@Suite struct OfflineAnalysisTests {
    private let folder = TemporaryFolder()

    private func file(_ text: String) throws -> String {
        let path = folder.path + "/outcomes.csv"
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }

    private func question(_ metrics: String..., denominator: String? = nil, covariate: String? = nil) throws -> OfflineQuestion {
        OfflineQuestion(
            unit: "user", variant: "arm", control: "A",
            metrics: try metrics.map { try OfflineQuestion.Column(parsing: $0, denominator: denominator) }, covariate: covariate,
            isFixed: true)
    }

    private func near(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) <= 1e-9 * max(1, abs(b)) } ?? false }

    /// 400 units whose figures were computed elsewhere.
    private var table: String {
        var text = "user,arm,y,conv,den\r\n"
        for i in 0..<400 {
            let isB = i % 2 == 1
            let y = Double(i * 37 % 101) / 10 + (isB ? 0.5 : 0)
            text += "u\(i),\(isB ? "B" : "A"),\(y),\(i * 53 % 100 < (isB ? 40 : 30) ? 1 : 0),\(1 + i % 3)\r\n"
        }
        return text
    }

    @Test func `means, shares, ratios and quantiles are those of the tables, and so are the textbook tests`() throws {
        let path = try file(table)
        let analysis = try OfflineAnalysis(path: path, question: question("y:mean", "conv:binary", "y:quantile:0.9:down"))
        let (mean, share, quantile) = (analysis.readings[0], analysis.readings[1], analysis.readings[2])
        #expect(near(mean.arms[1].mean, 5.4725) && near(mean.arms[0].mean, 5.0095))
        #expect(near(mean.arms[1].fixed?.pValue, 0.11447412498883525) && near(mean.arms[1].fixed?.upper, 1.038415630400726))
        #expect(near(share.arms[1].difference, 0.1) && near(share.arms[1].fixed?.pValue, 0.03603168621823353))
        #expect(near(quantile.arms[1].mean, 9.5) && near(quantile.arms[0].mean, 9.01))
        #expect(analysis.sampleRatioPValue == 1 && analysis.counts == [200, 200] && analysis.rows == 400)
        let ratio = try OfflineAnalysis(path: path, question: question("y:ratio", denominator: "den")).readings[0].arms[1]
        #expect(near(ratio.mean, 2.743107769423559) && near(ratio.fixed?.pValue, 0.18985936582853258))
        for reading in analysis.readings {
            let arm = reading.arms[1]
            let interval = try #require(arm.interval)
            #expect(interval.contains(try #require(arm.difference)))
            #expect(interval.contains(0) == (try #require(arm.pValue) >= 0.05))
        }
    }

    @Test func `rows of one unit are one unit, and a unit of two variants is none`() throws {
        let rows = "user,arm,y\na,A,1\na,A,3\nb,A,0\nc,B,5\nd,B,\ne,B,2\ne,A,2\n"
        let analysis = try OfflineAnalysis(path: try file(rows), question: question("y:mean", "y:count"))
        #expect(analysis.readings[0].arms.map(\.units) == [2, 1] && analysis.readings[0].arms[0].mean == 1)
        #expect(analysis.readings[0].arms[1].mean == 5)
        // As a count: sums, and nothing is a zero.
        #expect(analysis.readings[1].arms.map(\.units) == [2, 2] && analysis.readings[1].arms[1].mean == 2.5)
        #expect(analysis.readings[1].arms[0].mean == 2 && analysis.unitsInSeveral == 1)
    }

    @Test func `a sample ratio that is off is said`() throws {
        var text = "user,arm,y\n"
        for unit in 0..<2_200 { text += "\(unit),\(unit < 1_000 ? "A" : "B"),1\n" }
        let analysis = try OfflineAnalysis(path: try file(text), question: question("y:mean"))
        let p = try #require(analysis.sampleRatioPValue)
        #expect(abs(p - 2.0079e-5) < 5e-10 && analysis.json["sample_ratio_ok"] == false)
    }

    @Test func `fields in quotes hold commas, quotes and line ends`() throws {
        let path = try file("\u{FEFF}\"user\",\"arm\",y\n\"a, \"\"b\"\"\r\nc\",A,1\n\nd,B,2")
        var reader = try CSVReader(path: path)
        var row = CSVReader.Row()
        #expect(try reader.next(into: &row) && (0..<row.count).map { row[$0] } == ["user", "arm", "y"])
        #expect(try reader.next(into: &row) && row[0] == "a, \"b\"\r\nc" && row.line == 2)
        #expect(try reader.next(into: &row) && row[0] == "d" && row[2] == "2" && row.line == 5)
        #expect(try !reader.next(into: &row))
    }

    @Test(arguments: [
        ("user,arm,y\na,A,1\nb,\"B,2\n", "line 3"), ("user,arm,y\na,A\n", "line 2 has 2 fields"),
        ("user,arm,y\na,A,one\n", "line 2: 'one' is not a number"), ("user,arm,y\n,A,1\n", "line 2 has no unit"),
        ("user,arm,y\na,A\",1\n", "line 2"), ("user,arm,y\na,\"A\"x,1\n", "line 2"), ("user,arm,y\na,A,1\rb,A,1\n", "line 2"),
        ("user,arm,y,y\na,A,1,1\n", "two columns 'y'"), ("user,arm,z\na,A,1\n", "no column 'y'"), ("", "is empty"),
        ("user,arm,y\na,B,1\n", "no row is of variant 'A'"),
    ])
    func `what cannot be read is refused with its line`(text: String, words: String) throws {
        let path = try file(text)
        let asked = try question("y:mean")
        let fault = #expect(throws: Fault.self) { _ = try OfflineAnalysis(path: path, question: asked) }
        #expect(try #require(fault).what.contains(words), "\(fault?.what ?? "")")
    }

    @Test func `a metric is a column and its type`() throws {
        let column = try OfflineQuestion.Column(parsing: "a:b:quantile:0.95:down")
        #expect(column.name == "a:b" && column.kind == .quantile && column.quantile == 0.95 && column.direction == .down)
        for text in ["y", "y:binry", ":", "y:mean:0.5", "y:mean:sideways"] {
            #expect(throws: Fault.self, "\(text)") { _ = try OfflineQuestion.Column(parsing: text) }
        }
    }
}
