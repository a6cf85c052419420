import Faults
import JSON
import Testing

@testable import Commands

struct FiguresTests {
    @Test func `counts have their thousands apart`() {
        #expect([0, 7, 999, 1_000, 8_411, 2_113_000].map(Figures.count) == ["0", "7", "999", "1 000", "8 411", "2 113 000"])
        #expect(Figures.count(-12_345) == "-12 345")
    }

    @Test func `durations are written as people say them`() {
        let texts = [9_400, 41_000, 192_000, 3_600_000, 3_900_000, 90_000_000].map { Figures.duration(.milliseconds($0)) }
        #expect(texts == ["9.4 s", "41 s", "3 m 12 s", "1 h", "1 h 5 m", "1 d 1 h"])
    }

    @Test func `values carry their unit and no more digits than say something`() {
        #expect(Figures.value(250, unit: "ms") == "250 ms")
        #expect(Figures.value(41.26, unit: "ms") == "41 ms")
        #expect(Figures.value(0.42, unit: "ms") == "0.4 ms")
        #expect(Figures.value(0.005, unit: "fraction") == "0.5 %")
        #expect(Figures.value(0.0009, unit: "fraction") == "0.09 %")
        #expect(Figures.value(0.01, unit: "fraction") == "1 %")
        #expect(Figures.value(0.9612, unit: "score") == "0.961")
        #expect(Figures.value(2, unit: "ratio") == "2x")
        #expect(Figures.interval(0.918, 0.985, unit: "score") == "[0.918, 0.985]")
        #expect(Figures.interval(0, 0.0064, unit: "fraction") == "[0 %, 0.64 %]")
    }
}

struct TableTests {
    @Test func `columns are as wide as their widest cell, and no line ends in blanks`() {
        var table = Table(["gate", "limit"], indent: 2)
        table.add(["max_error_rate", "1 %"])
        table.add(["x", "250 ms"])
        #expect(table.text() == "  gate            limit\n  max_error_rate  1 %\n  x               250 ms")
    }

    @Test func `colour does not move columns`() {
        var table = Table([])
        table.add([Style.coloured.good("ok"), "a"])
        table.add(["failed", "b"])
        #expect(table.text().split(separator: "\n")[0] == "\u{1B}[32mok\u{1B}[0m      a")
    }
}

struct TerminalTests {
    @Test func `a line that is too long for the terminal takes several rows`() {
        #expect(Terminal.rows(of: "1234567890\n\n123", columns: 10) == 3)
        #expect(Terminal.rows(of: "12345678901\n" + Style.coloured.good("1234567890"), columns: 10) == 3)
    }
}

struct APIClientTests {
    @Test func `a server may be written with and without its scheme`() throws {
        #expect(try APIClient.base(of: "http://127.0.0.1:9000/") == "http://127.0.0.1:9000")
        #expect(try APIClient.base(of: "127.0.0.1") == "http://127.0.0.1:7701")
        #expect(throws: Fault.self) { try APIClient.base(of: "ftp://x") }
        #expect(throws: Fault.self) { try APIClient.base(of: "http://x/api") }
        #expect(throws: Fault.self) { try APIClient.base(of: "http://user@x") }
    }

    @Test func `the home's token goes to the home's daemon alone`() {
        #expect(APIClient.names("http://127.0.0.1:7701", "127.0.0.1:7701"))
        #expect(APIClient.names("http://localhost:7701", "127.0.0.1:7701"))
        for other in [
            "http://127.0.0.1:7702", "http://localhost:7702", "http://[::1]:7701", "https://127.0.0.1:7701", "http://10.0.0.1:7701",
        ] {
            #expect(!APIClient.names(other, "127.0.0.1:7701"))
        }
    }

    @Test(arguments: Fault.Kind.allCases)
    func `a refusal comes back as the fault it was, so that the exit code is the same`(kind: Fault.Kind) {
        let fault = Fault(kind, what: "a", why: "b", fix: "c")
        let json: JSONValue = ["error": ["what": "a", "why": "b", "fix": "c"]]
        #expect(APIClient.fault(json, status: fault.httpStatus, "x") == fault)
    }

    @Test func `a segment of a path is safe whatever was typed`() {
        #expect(APIClient.segment("fraud-model@v12") == "fraud-model@v12")
        #expect(APIClient.segment("a/b?c d") == "a%2Fb%3Fc%20d")
    }
}
