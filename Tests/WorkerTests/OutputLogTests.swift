import TestFolders
import Testing

@testable import Worker

/// What becomes of a rank's output.
@Suite struct OutputLogTests {
    private let folder = TemporaryFolder()
    private var path: String { "\(folder.path)/rank-3.log" }

    private func lines() -> [String] {
        String(decoding: PlainFile.read(path, limit: 64 << 20), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func `lines are written whole, each with its moment and rank, however they arrive`() {
        let log = OutputLog(path: path, rank: 3)
        for piece in ["one\ntw", "o\r\n", "", "\n", "thr", "ee"] { log.append(Array(piece.utf8)[...]) }
        log.append([0xFF, 0x0A])
        log.note("said")
        log.append(Array("rest".utf8)[...])
        log.end()
        let texts = lines().map { $0.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false) }
        #expect(texts.allSatisfy { $0.count == 3 && $0[0].utf8.count == 24 && $0[1] == "3" })
        #expect(texts.map { String($0[2]) } == ["one", "two", "", "three\u{FFFD}", "[worker] said", "rest"])
        #expect(log.lastLines == ["one", "two", "", "three\u{FFFD}", "rest"])
    }

    @Test func `a line without an end is cut, and only the newest lines are remembered`() {
        let log = OutputLog(path: path, rank: 3)
        log.append(Array(repeating: 0x78, count: 3 * OutputLog.lineBytesMax)[...])
        for number in 0..<1_000 { log.append(Array("\nline \(number)".utf8)[...]) }
        log.end()
        #expect(lines().count == 1_003 && lines().allSatisfy { $0.utf8.count < OutputLog.lineBytesMax + 64 })
        #expect(log.lastLines.count == OutputLog.lastLinesMax && log.lastLines.last == "line 999")
    }

    @Test func `a script that prints forty megabytes keeps two files of bounded size, and the end of what it said`() {
        let log = OutputLog(path: path, rank: 3)
        let piece = Array(String(repeating: String(repeating: "y", count: 7_999) + "\n", count: 8).utf8)
        for _ in 0..<640 { log.append(piece[...]) }
        log.append(Array("the end\n".utf8)[...])
        let old = PlainFile.read(path + ".1", limit: 64 << 20).count
        #expect(old <= OutputLog.bytesMax && old > OutputLog.bytesMax / 2)
        #expect(lines().last?.hasSuffix(" 3 the end") == true)
        #expect(PlainFile.read(path, limit: 64 << 20).count <= OutputLog.bytesMax)
    }

    @Test func `what a full disk kept out is told when there is room again`() {
        // /dev/full takes nothing, as a full disk.
        let log = OutputLog(path: "/dev/full", rank: 3)
        log.append(Array("one\ntwo\n".utf8)[...])
        #expect(log.lost == 2 && log.lastLines == ["one", "two"])
    }
}
