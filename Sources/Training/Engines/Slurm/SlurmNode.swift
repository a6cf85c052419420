/// A node as `sinfo` tells of it.
struct SlurmNode: Equatable, Sendable {
    /// `gpu:h100:4`
    struct Resource: Equatable, Sendable {
        var name: String
        /// Empty where the cluster's administrator named none.
        var type: String
        var count: Int
    }

    var name: String
    /// Where it is reached.
    var address: String
    var cpus: Int
    /// Of all users.
    var cpusTaken: Int
    /// Bytes.
    var memory: Int64
    /// Of all users, in bytes.
    var memoryTaken: Int64
    var resources: [Resource]
    var resourcesTaken: [Resource]
    /// In Slurm's words: `idle`, `mixed`, `down*`, `drained`.
    var state: String
    var features: [String]
    /// Why it was drained or is down.
    var reason: String

    /// What `sinfo` is asked for, and how wide: columns of fixed width keep whatever stands in them apart.
    static let columns = [
        ("NodeList", 128), ("NodeAddr", 256), ("CPUsState", 64), ("Memory", 24), ("AllocMem", 24), ("Gres", 512),
        ("GresUsed", 512), ("StateLong", 64), ("Features", 512), ("Reason", 256),
    ]
    static var format: String { columns.map { "\($0.0):\($0.1)" }.joined(separator: ",") }

    /// One line of it; nil where that is something else (a warning, say).
    init?(line: Substring) {
        let bytes = Array(line.utf8)
        guard bytes.count == Self.columns.reduce(0, { $0 + $1.1 }) else { return nil }
        var start = 0
        let cells = Self.columns.map { _, width in
            defer { start += width }
            let text = String(decoding: bytes[start..<start + width], as: UTF8.self)
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
        // Allocated, idle, other, all.
        let counts = cells[2].split(separator: "/").compactMap { Int($0) }
        guard counts.count == 4, let memory = Int64(cells[3]), !cells[0].isEmpty else { return nil }
        (name, address, cpus, cpusTaken) = (cells[0], cells[1], counts[3], counts[0])
        (self.memory, memoryTaken) = (memory << 20, (Int64(cells[4]) ?? 0) << 20)
        (resources, resourcesTaken) = (Self.resources(cells[5]), Self.resources(cells[6]))
        state = cells[7].lowercased()
        features = cells[8] == "(null)" ? [] : cells[8].split(separator: ",").map(String.init)
        reason = ["none", "(null)"].contains(cells[9]) ? "" : cells[9]
    }

    /// Each node once, though it may stand in several partitions.
    static func parse(_ text: String) -> [SlurmNode] {
        var seen: Set<String> = []
        return text.split(separator: "\n").compactMap(SlurmNode.init).filter { seen.insert($0.name).inserted }
    }

    /// `gpu:h100:4(S:0-1),fpga:1` or, of what is in use, `gpu:h100:2(IDX:0-1)`.
    static func resources(_ text: String) -> [Resource] {
        guard text != "(null)" else { return [] }
        var parts: [String] = [""]
        var depth = 0
        for letter in text {
            if letter == "(" { depth += 1 }
            if letter == ",", depth == 0 { parts.append("") } else if depth == 0 { parts[parts.count - 1].append(letter) }
            if letter == ")" { depth -= 1 }
        }
        return parts.compactMap { part in
            let words = part.split(separator: ":").map(String.init)
            guard words.count >= 2, let count = words.last.flatMap(Int.init), count > 0 else { return nil }
            return Resource(name: words[0], type: words.count > 2 ? words[1] : "", count: count)
        }
    }

    /// Marks behind the word: `*` is a node that does not answer, others announce power and reboots.
    private var word: String { String(state.prefix { $0.isLetter || $0 == "_" }) }

    var health: Node.Health {
        switch word {
        case "idle", "mixed", "allocated", "completing", "planned":
            state.allSatisfy { $0.isLetter || ["-", "+"].contains($0) } ? .ready : .draining
        case "down", "fail", "error", "unknown", "future", "powered_down", "no_respond": .lost
        default: .draining
        }
    }

    /// Why it takes no work, in Slurm's words; nil where it does.
    var remark: String? { health == .ready ? nil : reason.isEmpty ? state : "\(state): \(reason)" }
}
