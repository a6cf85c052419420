import Faults
import JSON

/// Verifies an export, line by line: `{"index","leaf","entry"}` for each entry, `{"checkpoint"}` last.
public struct ExportAudit {
    private let key: AuditKey
    private var trail = AuditTrail()
    private var signed: SignedCheckpoint?
    private var checkpointProblem: String?
    private var isComplete: Bool { signed != nil || checkpointProblem != nil }

    public init(key: AuditKey) { self.key = key }

    /// Takes the next line, without its line end.
    public mutating func take(_ line: [UInt8]) {
        let object: [String: JSONValue]
        do throws(Fault) {
            object = try JSONValue(parsing: line).objectValue ?? [:]
        } catch { return reject("line \(trail.count + 1) is no JSON: \(error.why)") }
        if Set(object.keys) == ["checkpoint"] { return take(checkpoint: object["checkpoint"]?.stringValue) }
        guard Set(object.keys) == ["entry", "index", "leaf"], let entry = object["entry"] else {
            return reject("line \(trail.count + 1) does not have exactly index, leaf and entry")
        }
        let hash = MerkleTree.leafHash(Array(entry.canonicalText.utf8))
        var item = AuditItem(
            index: object["index"]?.integerValue ?? -1, leaf: object["leaf"]?.stringValue.flatMap { SHA256Digest(base64: $0) },
            entry: nil, hash: hash)
        do throws(Fault) {
            item.entry = try LedgerEntry(json: entry)
        } catch { item.problem = "entry \(trail.count) is none: \(error.why)" }
        take(item)
    }

    /// A line that cannot be an entry.
    mutating func reject(_ problem: String) { take(AuditItem(problem: problem)) }

    private mutating func take(_ item: AuditItem) {
        if isComplete { trail.report(trail.count, "after the checkpoint, which is the last line, more follows") }
        trail.take(item)
    }

    private mutating func take(checkpoint text: String?) {
        guard !isComplete else { return trail.report(trail.count, "there is more than one checkpoint") }
        do throws(Fault) {
            signed = try SignedCheckpoint(parsing: text ?? "")
        } catch { checkpointProblem = error.why }
    }

    public consuming func finish() -> AuditVerdict {
        trail.finish()
        if let signed { trail.consult(signed.checkpoint) }
        let signature = signed.map { key.check($0) } ?? (checkpointProblem == nil ? .none : .bad)
        let (index, why) = conclusion(signature)
        return AuditVerdict(
            entries: trail.count, firstBad: index, signature: signature, checkpoint: signed?.checkpoint, why: why)
    }

    private func conclusion(_ signature: AuditVerdict.Signature) -> (Int64?, String?) {
        if let finding = trail.finding {
            // What is signed is all there: then the fault lies in what was added, whatever its neighbours say.
            if let signed, signature != .bad, trail.frontier.size == signed.checkpoint.size,
                trail.frontier.root == signed.checkpoint.root
            {
                return (signed.checkpoint.size, "after the \(signed.checkpoint.size) entries of the checkpoint, more follows")
            }
            return (finding.index, finding.why)
        }
        if let checkpointProblem { return (nil, "the checkpoint was altered: \(checkpointProblem)") }
        guard let signed else { return (nil, "the checkpoint, which is the last line, is missing: the end was removed") }
        if signature == .bad {
            return (nil, "the checkpoint was altered, or signed by another key; the entries fit each other")
        }
        let (size, count) = (signed.checkpoint.size, trail.count)
        if count < size { return (count, "the checkpoint covers \(size) entries; the last \(size - count) were removed") }
        if count > size { return (size, "the checkpoint covers \(size) entries; \(count - size) were added after it") }
        guard trail.frontier.root == signed.checkpoint.root else {
            // All entries fit their neighbours, and nothing follows the last to vouch for it.
            let suspect = "the entries do not have the root that was signed: the last was altered, or all from some point on"
            return (count == 0 ? nil : count - 1, suspect)
        }
        return (nil, nil)
    }
}
