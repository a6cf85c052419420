import HTTP
import Routing

/// The experiments of a route, asked in the order of their numbers: the first that takes the unit decides.
extension CompiledRoute {
    enum LayerOutcome {
        case takes(Assignment)
        case passes
        /// A key on the way to a unit stands twice: readers would disagree on who this is.
        case repeatedKey(pointer: String)
    }

    /// Allocates nothing and waits for nobody, unless an experiment has a condition to ask.
    func ask(
        _ request: borrowing RequestParser, in bytes: Span<UInt8>, body: UnsafeBufferPointer<UInt8>, name: RequestName,
        client: UnitID
    ) -> LayerOutcome {
        for layer in layers {
            switch unsafe ask(layer, request, in: bytes, body: body, name: name, client: client) {
            case .passes: continue
            case let outcome: return outcome
            }
        }
        return .passes
    }

    /// Finds the experiment's unit in the request, and asks. A request without one is its own unit, as on every route.
    private func ask(
        _ layer: CompiledLayer, _ request: borrowing RequestParser, in bytes: Span<UInt8>, body: UnsafeBufferPointer<UInt8>,
        name: RequestName, client: UnitID
    ) -> LayerOutcome {
        switch layer.unit {
        case .header(let field):
            if let value = request.fields.first(named: field.span, in: bytes)?.value, value.count > 0 {
                return unsafe outcome(of: layer, bytes.extracting(value.range), request, in: bytes, body: body)
            }
        case .cookie(let cookie):
            if let value = request.cookie(cookie, in: bytes) {
                return unsafe outcome(of: layer, bytes.extracting(value.range), request, in: bytes, body: body)
            }
        case .client:
            let answer = unsafe layer.answer(
                for: client, text: bytes.extracting(0..<0), request, in: bytes, body: body)
            return outcome(answer, client, layer)
        case .json(let pointer):
            let place = unsafe pointer.find(in: body)
            if place == .repeated { return .repeatedKey(pointer: pointer.text) }
            if let text = unsafe place.copiedText(in: body) {
                return unsafe outcome(of: layer, text.span, request, in: bytes, body: body)
            }
        case .none: break
        }
        let digits = name.digits
        return unsafe outcome(of: layer, digits.span, request, in: bytes, body: body)
    }

    private func outcome(
        of layer: CompiledLayer, _ text: Span<UInt8>, _ request: borrowing RequestParser, in bytes: Span<UInt8>,
        body: UnsafeBufferPointer<UInt8>
    ) -> LayerOutcome {
        let unit = unsafe text.withUnsafeBufferPointer { unsafe UnitID($0) }
        return outcome(unsafe layer.answer(for: unit, text: text, request, in: bytes, body: body), unit, layer)
    }

    private func outcome(_ answer: Layer.Answer, _ unit: UnitID, _ layer: CompiledLayer) -> LayerOutcome {
        switch answer {
        case .takes(let variant, let propensity, .scored(let arm)):
            .takes(Assignment(route: self, unit: unit, variant: variant, share: propensity, choice: layer.choice(arm)))
        case .takes(let variant, let propensity, _):
            .takes(Assignment(route: self, unit: unit, variant: variant, share: propensity, choice: nil))
        case .passes: .passes
        }
    }
}

extension JSONPointer.Place {
    /// The value's text, copied: a body that names units is read whole anyway.
    func copiedText(in bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? { unsafe withText(in: bytes) { unsafe Array($0) } }
}
