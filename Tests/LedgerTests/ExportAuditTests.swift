import Faults
import JSON
import TestFolders
import Testing

@testable import Ledger

/// An honest export of a small ledger, and the key that signed it.
struct Evidence: Sendable {
    var lines: [String]
    let key: VerifierKey

    static func make(entries: Int) async throws -> Evidence {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: .unhurried)
        for number in 0..<entries { try await ledger.record(number, to: ResourceID("release", "r\(number % 3)")) }
        var export = try await ledger.reader.export()
        var bytes: [UInt8] = []
        while let page = try await export.page() { bytes += page }
        await ledger.close()
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        return Evidence(lines: lines, key: ledger.verifierKey)
    }

    func verdict(_ key: AuditKey? = nil) -> AuditVerdict {
        var audit = ExportAudit(key: key ?? .demanded(self.key))
        for line in lines { audit.take(Array(line.utf8)) }
        return audit.finish()
    }

    /// Changes one line as an object.
    mutating func edit(_ index: Int, _ change: (inout [String: JSONValue]) -> Void) throws {
        var object = try #require(try JSONValue(parsing: lines[index]).objectValue)
        change(&object)
        lines[index] = JSONValue.object(object).canonicalText
    }

    mutating func editEntry(_ index: Int, _ change: (inout [String: JSONValue]) -> Void) throws {
        try edit(index) { line in
            var entry = line["entry"]!.objectValue!
            change(&entry)
            line["entry"] = .object(entry)
        }
    }

    /// Gives a line the leaf that its entry has now, as a careful forger would.
    mutating func adjustLeaf(_ index: Int) throws {
        try edit(index) { line in
            line["leaf"] = .string(MerkleTree.leafHash(Array(line["entry"]!.canonicalText.utf8)).base64)
        }
    }

    /// Numbers lines anew, outside only.
    mutating func renumber() throws {
        for index in 0..<(lines.count - 1) { try edit(index) { $0["index"] = .integer(Int64(index)) } }
    }

    /// Numbers lines anew, inside too, and adjusts their leaves.
    mutating func renumberDeeply(from: Int) throws {
        try renumber()
        for index in from..<(lines.count - 1) {
            try editEntry(index) { $0["index"] = .integer(Int64(index)) }
            try adjustLeaf(index)
        }
    }
}

@Suite struct ExportAuditTests {
    static let size = 12

    @Test(arguments: [0, 1, 2, 3, 300])
    func `an honest export verifies`(entries: Int) async throws {
        let evidence = try await Evidence.make(entries: entries)
        let verdict = evidence.verdict()
        #expect(verdict.isGood && verdict.entries == Int64(entries) && verdict.firstBad == nil && verdict.signature == .verified)
        #expect(verdict.json["ok"] == true && verdict.json["first_bad"] == .null)
        #expect(evidence.verdict(AuditKey.none).signature == .unchecked)
        #expect(evidence.verdict(AuditKey.none).isGood)
    }

    @Test func `an altered entry is named, whether or not its leaf was adjusted`() async throws {
        let honest = try await Evidence.make(entries: Self.size)
        for index in 0..<Self.size {
            for member in ["body", "at", "by", "kind", "resource", "after", "previous", "index"] {
                var forged = honest
                try forged.editEntry(index) { entry in
                    switch member {
                    case "body": entry["body"] = ["number": 99]
                    case "at": entry["at"] = "2020-01-01T00:00:00.000Z"
                    case "after": entry["after"] = index > 1 ? .integer(Int64(index - 1)) : 77
                    case "previous": entry["previous"] = .string(MerkleTree.emptyRoot.base64)
                    case "index": entry["index"] = 999
                    default: entry[member] = "forged/forged"
                    }
                }
                #expect(forged.verdict().firstBad == Int64(index), "\(member) of \(index)")
                #expect(!forged.verdict().isGood)
                try forged.adjustLeaf(index)
                #expect(!forged.verdict().isGood)
                #expect(!forged.verdict(AuditKey.none).isGood)
                // Whether `previous` of the last was altered or the one before it, nothing can tell.
                let isUnknowable = member == "previous" && index == Self.size - 1
                #expect(isUnknowable || forged.verdict().firstBad == Int64(index), "\(member) of \(index), leaf adjusted")
            }
            var forged = honest
            try forged.edit(index) { $0["leaf"] = .string(MerkleTree.emptyRoot.base64) }
            #expect(forged.verdict().firstBad == Int64(index))
            try forged.edit(index) { $0["leaf"] = "nonsense" }
            #expect(forged.verdict().firstBad == Int64(index))
            try forged.edit(index) { $0["more"] = 1 }
            #expect(forged.verdict().firstBad == Int64(index))
            forged.lines[index] = "{\"index\":\(index)"
            #expect(forged.verdict().firstBad == Int64(index))
        }
    }

    @Test func `a removed line is named, with the others numbered anew or not`() async throws {
        let honest = try await Evidence.make(entries: Self.size)
        for index in 0..<Self.size {
            var forged = honest
            forged.lines.remove(at: index)
            #expect(forged.verdict().firstBad == Int64(index))
            try forged.renumber()
            #expect(forged.verdict().firstBad == Int64(index))
            #expect(!forged.verdict().isGood)
            try forged.renumberDeeply(from: index)
            #expect(!forged.verdict().isGood)
            #expect(index == Self.size - 2 || forged.verdict().firstBad == Int64(index), "deep, \(index)")
        }
        var short = honest
        short.lines.removeSubrange((Self.size - 4)..<Self.size)
        #expect(short.verdict().firstBad == Int64(Self.size - 4))
    }

    @Test func `an inserted line is named, with the others numbered anew or not`() async throws {
        let honest = try await Evidence.make(entries: Self.size)
        for index in 0...Self.size {
            for source in 0..<Self.size {
                var forged = honest
                forged.lines.insert(honest.lines[source], at: index)
                // A copy of the line before or after cannot be told from it: the second of the two is the one too many.
                let expected = source == index ? Int64(index + 1) : Int64(index)
                #expect(forged.verdict().firstBad == expected, "\(source) at \(index)")
                try forged.renumber()
                #expect(forged.verdict().firstBad == expected, "\(source) at \(index), renumbered")
            }
            var forged = honest
            forged.lines.insert(honest.lines[min(index, Self.size - 1)], at: index)
            try forged.editEntry(index) { entry in
                entry["body"] = "forged"
                entry["index"] = .integer(Int64(index))
            }
            try forged.edit(index) { $0["index"] = .integer(Int64(index)) }
            try forged.adjustLeaf(index)
            #expect(!forged.verdict().isGood)
            #expect(forged.verdict().firstBad == Int64(index), "forged at \(index)")
            try forged.renumber()
            #expect(forged.verdict().firstBad == Int64(index), "forged at \(index), renumbered")
            try forged.renumberDeeply(from: index)
            #expect(forged.verdict().firstBad == Int64(index), "forged at \(index), renumbered deeply")
        }
    }

    @Test func `swapped lines are named by the first`() async throws {
        let honest = try await Evidence.make(entries: Self.size)
        for first in 0..<Self.size {
            for second in (first + 1)..<max(Self.size, first + 1) {
                var forged = honest
                forged.lines.swapAt(first, second)
                #expect(forged.verdict().firstBad == Int64(first), "\(first) and \(second)")
                try forged.renumber()
                #expect(forged.verdict().firstBad == Int64(first), "\(first) and \(second), renumbered")
            }
        }
    }

    @Test func `an altered checkpoint is called that, and no entry is blamed`() async throws {
        let honest = try await Evidence.make(entries: Self.size)
        let text = try #require(try JSONValue(parsing: honest.lines[Self.size])["checkpoint"]?.stringValue)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let signature = lines[4].split(separator: " ")
        var forgeries: [String] = [
            text.replacing("\n12\n", with: "\n11\n"), text.replacing("\n12\n", with: "\n13\n"),
            text.replacing(lines[2], with: MerkleTree.emptyRoot.base64), text.replacing("openclaw/", with: "openclow/"),
            text.replacing("\n12\n", with: "\n012\n"), text.replacing("\u{2014} ", with: "- "), "", "nonsense",
            lines.prefix(4).joined(separator: "\n"), String(text.dropLast()),
        ]
        var bytes = Base64.bytes(of: String(signature[2]))!
        bytes[40] ^= 1
        forgeries.append(text.replacing(signature[2], with: Base64.text(of: bytes)))
        for forgery in forgeries {
            var forged = honest
            forged.lines[Self.size] = JSONValue.object(["checkpoint": .string(forgery)]).canonicalText
            let verdict = forged.verdict()
            #expect(!verdict.isGood && verdict.firstBad == nil && verdict.signature == .bad, "\(forgery): \(verdict)")
            #expect(forged.verdict(.found(honest.key)) == verdict, "\(forgery)")
        }
        var headless = honest
        headless.lines.removeLast()
        #expect(!headless.verdict().isGood && headless.verdict().signature == .none && headless.verdict().firstBad == nil)
        var twice = honest
        twice.lines.append(honest.lines[Self.size])
        #expect(!twice.verdict().isGood)
        var after = honest
        after.lines.append(honest.lines[3])
        #expect(after.verdict().firstBad == 12)
    }

    /// What is signed are values, and JSON knows several texts for one (` 1`, `-0`, `\/`): a change that leaves every value
    /// as it was is none.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `no byte of an export can be changed unnoticed, unless its values stay`(seed: UInt64) async throws {
        var random = Xorshift(seed: seed)
        let honest = try await Evidence.make(entries: 4)
        let values = try honest.lines.map { try JSONValue(parsing: $0) }
        let bytes = Array(honest.lines.joined(separator: "\n").utf8)
        for _ in 0..<80 {
            var changed = bytes
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: changed[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: changed.remove(at: place)
            default: changed.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: place)
            }
            var audit = ExportAudit(key: .demanded(honest.key))
            let lines = changed.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
            for line in lines { audit.take(line) }
            guard audit.finish().isGood else { continue }
            let seen = try lines.map { try JSONValue(parsing: String(decoding: $0, as: UTF8.self)) }
            #expect(seen == values, "seed \(seed), place \(place)")
        }
    }

    @Test func `another key does not vouch, and a found key only for its own ledger`() async throws {
        let evidence = try await Evidence.make(entries: 3)
        let other = SigningKey(name: SigningKey.freshName(), privateKey: .init()).verifier
        #expect(evidence.verdict(.demanded(other)).signature == .bad)
        #expect(!evidence.verdict(.demanded(other)).isGood)
        #expect(evidence.verdict(.found(other)).signature == .unchecked)
        #expect(evidence.verdict(.found(evidence.key)).signature == .verified)
        let impostor = VerifierKey(name: evidence.key.name, publicKey: other.publicKey)
        #expect(evidence.verdict(.found(impostor)).signature == .bad)
    }

    @Test func `of several altered entries the first is named, though all got fitting leaves`() async throws {
        let honest = try await Evidence.make(entries: Self.size)
        for first in 0..<(Self.size - 2) {
            for second in (first + 1)..<(Self.size - 1) {
                var forged = honest
                for index in [first, second] {
                    try forged.editEntry(index) { $0["body"] = "forged" }
                    try forged.adjustLeaf(index)
                }
                #expect(forged.verdict().firstBad == Int64(first), "\(first) and \(second)")
            }
        }
    }

    @Test func `a forger who rewrites everything to its end is caught by the signed root`() async throws {
        let honest = try await Evidence.make(entries: Self.size)
        for index in 0..<Self.size {
            var forged = honest
            try forged.editEntry(index) { $0["body"] = "forged" }
            try forged.adjustLeaf(index)
            for next in (index + 1)..<max(Self.size, index + 1) {
                let leaf = try #require(try JSONValue(parsing: forged.lines[next - 1])["leaf"])
                try forged.editEntry(next) { $0["previous"] = leaf }
                try forged.adjustLeaf(next)
            }
            let verdict = forged.verdict()
            #expect(!verdict.isGood && verdict.firstBad == Int64(Self.size - 1) && verdict.signature == .verified)
        }
    }
}
