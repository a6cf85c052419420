public import Faults
import JSON

/// All routes at one moment: what the gateway serves by. A newer one has a higher position; an older one is refused.
public struct RoutingTable: Equatable, Sendable, Codable {
    public var position: Int64
    public var routes: [Route]
    public init(position: Int64, routes: [Route]) { (self.position, self.routes) = (position, routes) }

    /// The copy on disk (written atomically: temporary file, fsync, rename), so that a gateway serves without a database.
    public func write(to path: String) throws(Fault) {
        let body = Array(JSONValue(encoding: self).canonicalText.utf8)
        let header = "\(RoutingTable.magic) \(body.count) \(Hex.text(of: UnitID(body).hash))\n"
        do {
            try WholeFile.replace(path, with: Array(header.utf8) + body)
        } catch {
            throw Fault(
                .unavailable, what: "The routing table cannot be written to \(path).",
                why: "\(error.call) failed: \(error.reason)", fix: "Free space there, or make the folder writable.")
        }
    }

    /// Nil when there is no such file. A file that is torn or altered is a fault: it is never served in part.
    public static func read(from path: String) throws(Fault) -> RoutingTable? {
        let bytes: [UInt8]
        do {
            guard let found = try WholeFile.read(path, bytesMax: bytesMax) else { return nil }
            bytes = found
        } catch {
            throw Fault(
                .unavailable, what: "The routing table \(path) cannot be read.", why: "\(error.call) failed: \(error.reason)",
                fix: "Make it readable, or remove it: the control plane writes it again.")
        }
        guard let body = RoutingTable.body(of: bytes) else { throw torn(path, "its length or checksum is wrong") }
        do {
            return try JSONValue(parsing: Array(body)).decoded(as: RoutingTable.self)
        } catch {
            throw torn(path, error.why)
        }
    }

    private static let magic = "openclaw-routing-table-1"
    /// 1 000 routes of 64 variants, each with rewrites, are about half of this.
    private static let bytesMax = 256 << 20

    /// What follows the header line, when it is all there and unaltered.
    private static func body(of bytes: [UInt8]) -> ArraySlice<UInt8>? {
        guard let lineEnd = bytes.prefix(128).firstIndex(of: 0x0a) else { return nil }
        let words = String(decoding: bytes[..<lineEnd], as: UTF8.self).split(separator: " ")
        let body = bytes[(lineEnd + 1)...]
        guard words.count == 3, words[0] == magic, words[1] == "\(body.count)", words[2] == Hex.text(of: UnitID(body).hash) else {
            return nil
        }
        return body
    }

    private static func torn(_ path: String, _ why: String) -> Fault {
        Fault(
            .failed, what: "The routing table \(path) is damaged.", why: why,
            fix: "Remove it and start the control plane: it writes the table again from the ledger.")
    }
}
