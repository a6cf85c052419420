import HTTP
import JSON
import Routing

/// The features of a scorer as they stand in a request, read into numbers that are made once and written over for each request.
@safe final class FeatureReading {
    private let features: [(feature: ScorerFeature, source: CompiledAttribute?)]
    private let numbers: UnsafeMutableBufferPointer<Float>
    /// What units earned earlier; nil where no feature asks for it.
    private let history: HistoryTable?
    let readsBody: Bool

    init(_ scorer: Scorer, history: HistoryTable? = nil) {
        self.history = history
        features = scorer.features.map { ($0, $0.source.flatMap { CompiledAttribute($0) }) }
        unsafe numbers = .allocate(capacity: scorer.dimensions)
        unsafe numbers.initialize(repeating: 0)
        readsBody = features.contains { $0.source?.readsBody == true }
    }

    deinit { unsafe numbers.deallocate() }

    /// What the last request was described by.
    var latest: [Float] { unsafe Array(numbers) }

    /// Allocates nothing for headers, cookies and JSON fields without escapes; claims of a token are parsed.
    func read<R>(
        _ unit: UnitID, _ request: borrowing RequestParser, in bytes: Span<UInt8>, body: UnsafeBufferPointer<UInt8>,
        _ use: (Span<Float>) -> R
    ) -> R {
        var place = 0
        var claims: JSONValue?
        var span = unsafe numbers.mutableSpan
        for (feature, source) in features {
            let value: ScorerFeature.Value
            switch source {
            case .header(let name):
                value =
                    request.fields.first(named: name.span, in: bytes).map { feature.value(of: bytes.extracting($0.value.range)) }
                    ?? .missing
            case .cookie(let name):
                value = request.cookie(name, in: bytes).map { feature.value(of: bytes.extracting($0.range)) } ?? .missing
            case .json(let pointer):
                value =
                    unsafe pointer.find(in: body).withText(in: body) { text in unsafe feature.value(of: text.span) } ?? .missing
            case .token:
                if claims == nil { claims = BearerClaims.read(request, in: bytes) ?? .null }
                let claim = unsafe source?.read(request, in: bytes, body: body, claims: claims ?? .null)
                value = claim.flatMap(FeatureReading.text).map { feature.value(of: $0) } ?? .missing
            case nil: value = .missing
            }
            let start = place
            place = feature.encode(value, into: &span, at: place)
            if case .history(let arms) = feature.kind { history?.read(unit: unit.hash, arms: arms, into: &span, at: start) }
        }
        return unsafe use(numbers.span)
    }

    private static func text(_ claim: JSONValue) -> String? {
        switch claim {
        case .string(let text): text
        case .integer, .number, .bool: claim.canonicalText
        case .null, .array, .object: nil
        }
    }
}
