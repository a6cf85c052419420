import Faults
import HTTP
import JSON
import Routing
import Telemetry

/// An experiment as requests are asked about it: where its unit and its attributes stand in a request.
final class CompiledLayer {
    let layer: Layer
    let unit: CompiledUnit
    let attributes: [(name: String, source: CompiledAttribute)]
    /// Nil where no units are kept.
    let kept: StickyTable?
    /// What the scorer looks at, where the experiment chooses by one.
    let features: FeatureReading?
    let readsBody: Bool
    /// Whether the condition asks for the unit itself.
    let namesUnit: Bool

    init(_ experiment: RouteExperiment, sticky: StickyFolder?) {
        layer = Layer(experiment)
        unit = CompiledUnit(experiment.unit)
        // Only what the condition asks for is read.
        let asked = experiment.audience.condition?.attributeNames ?? []
        attributes = experiment.audience.attributes.sorted { $0.key < $1.key }.filter { asked.contains($0.key) }
            .compactMap { name, source in CompiledAttribute(source).map { (name, $0) } }
        namesUnit = asked.contains("id") && experiment.audience.attributes["id"] == nil
        let history = experiment.looksBack ? CompiledLayer.history(of: experiment, in: sticky) : nil
        features = experiment.scorer.map { FeatureReading($0, history: history) }
        readsBody = unit.readsBody || features?.readsBody == true || attributes.contains { $0.source.readsBody }
        kept = CompiledLayer.table(of: experiment, in: sticky)
    }

    private static func history(of experiment: RouteExperiment, in sticky: StickyFolder?) -> HistoryTable? {
        do throws(Fault) {
            return try sticky?.history(of: experiment.number)
        } catch {
            Log("gateway").error(
                "the history of an experiment's units cannot be read; it counts as none",
                ["experiment": .string(experiment.name), "what": .string(error.what), "why": .string(error.why)])
            return nil
        }
    }

    private static func table(of experiment: RouteExperiment, in sticky: StickyFolder?) -> StickyTable? {
        guard experiment.stickiness == .user, let sticky else { return nil }
        do {
            return try sticky.table(of: experiment.number)
        } catch {
            Log("gateway").error(
                "the units of an experiment cannot be kept; they follow its split",
                ["experiment": .string(experiment.name), "what": .string(error.what), "why": .string(error.why)])
            return nil
        }
    }

    /// What this experiment says of a unit, which stands in `text` (empty for a client's address).
    func answer(
        for unit: UnitID, text: Span<UInt8>, _ request: borrowing RequestParser, in bytes: Span<UInt8>,
        body: UnsafeBufferPointer<UInt8>
    ) -> Layer.Answer {
        var known = JSONValue.null
        if layer.asksAttributes(of: unit, text: text) { known = unsafe gather(request, in: bytes, body: body, unit: text) }
        guard let features else {
            return layer.answer(for: unit, text: text, attributes: known, features: Span(), kept: kept, remembers: true)
        }
        return unsafe features.read(unit, request, in: bytes, body: body) { numbers in
            layer.answer(for: unit, text: text, attributes: known, features: numbers, kept: kept, remembers: true)
        }
    }

    /// What is kept of a choice that the scorer made for the request just answered.
    func choice(_ arm: Int) -> ScoredChoice? {
        guard let scorer = layer.experiment.scorer, let features else { return nil }
        return ScoredChoice(scorer: scorer, arm: arm, features: features.latest)
    }

    /// The attributes as the request has them; what it does not say is missing.
    private func gather(
        _ request: borrowing RequestParser, in bytes: Span<UInt8>, body: UnsafeBufferPointer<UInt8>, unit: Span<UInt8>
    ) -> JSONValue {
        var found: [String: JSONValue] = [:]
        var claims: JSONValue?
        for (name, source) in attributes {
            if case .token = source, claims == nil { claims = BearerClaims.read(request, in: bytes) ?? .null }
            if let value = unsafe source.read(request, in: bytes, body: body, claims: claims ?? .null) { found[name] = value }
        }
        if namesUnit { found["id"] = .string(unit.text) }
        return .object(found)
    }
}

/// Where an attribute stands in a request.
enum CompiledAttribute {
    case header([UInt8])
    case cookie([UInt8])
    case json(JSONPointer)
    /// The claims' members on the way.
    case token([String])

    init?(_ source: AttributeSource) {
        switch source {
        case .header(let name): self = .header(Array(name.lowercased().utf8))
        case .cookie(let name): self = .cookie(Array(name.utf8))
        case .json(let pointer):
            guard let pointer = JSONPointer(pointer) else { return nil }
            self = .json(pointer)
        case .token(let pointer):
            self = .token(
                pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
                    .map { String($0.replacing("~1", with: "/").replacing("~0", with: "~")) })
        }
    }

    var readsBody: Bool { if case .json = self { true } else { false } }

    /// Nil when the request does not say.
    func read(
        _ request: borrowing RequestParser, in bytes: Span<UInt8>, body: UnsafeBufferPointer<UInt8>, claims: JSONValue
    ) -> JSONValue? {
        switch self {
        case .header(let name):
            guard let value = request.fields.first(named: name.span, in: bytes)?.value else { return nil }
            return AttributeSource.value(bytes.extracting(value.range).text)
        case .cookie(let name):
            return request.cookie(name, in: bytes).map { AttributeSource.value(bytes.extracting($0.range).text) }
        case .json(let pointer):
            guard case .value(let range) = unsafe pointer.find(in: body) else { return nil }
            return try? JSONValue(parsing: unsafe Array(body[range]))
        case .token(let path):
            var value = claims
            for part in path {
                guard let inner = value[part] ?? Int(part).flatMap({ value[$0] }) else { return nil }
                value = inner
            }
            return value
        }
    }
}

/// What the bearer token of a request claims. It is read and never verified: it says who takes part in an experiment, and
/// protects nothing.
enum BearerClaims {
    private static let name = Array("authorization".utf8)
    private static let scheme = Array("bearer ".utf8)
    private static let bytesMax = 16 << 10

    /// Nil when there is no token, or it is not a JWT with an object for its claims.
    static func read(_ request: borrowing RequestParser, in bytes: Span<UInt8>) -> JSONValue? {
        guard let value = request.fields.first(named: name.span, in: bytes)?.value, value.count <= bytesMax,
            bytes.matchesWithoutCase(scheme, at: value.start), value.count > scheme.count
        else { return nil }
        let token = bytes.extracting(value.range).text.utf8.dropFirst(scheme.count)
        let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let claims = decoded(parts[1]) else { return nil }
        let json = try? JSONValue(parsing: claims)
        return json?.objectValue == nil ? nil : json
    }

    /// base64url without padding (RFC 7515).
    private static func decoded(_ text: Substring.UTF8View) -> [UInt8]? {
        var out: [UInt8] = []
        var (bits, count) = (UInt32(0), 0)
        for byte in text {
            let digit: UInt8
            switch byte {
            case 0x41...0x5a: digit = byte - 0x41
            case 0x61...0x7a: digit = byte - 0x61 + 26
            case 0x30...0x39: digit = byte - 0x30 + 52
            case UInt8(ascii: "-"): digit = 62
            case UInt8(ascii: "_"): digit = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(digit)
            count += 6
            if count >= 8 {
                count -= 8
                out.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return count < 6 ? out : nil
    }
}

extension Span where Element == UInt8 {
    var text: String { unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) } }
}
