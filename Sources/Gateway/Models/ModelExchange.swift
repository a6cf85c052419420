import HTTP
import Outcomes
import Providers
import Routing
import Sockets

/// What a request of OpenAI's API asks for, as far as the gateway reads it.
enum ModelCall {
    case chat, completions, embeddings, responses
    /// Passed through; what it costs is not known.
    case other

    /// `rest` is the path after the API's base.
    init(_ method: Method, _ rest: Span<UInt8>) {
        self = .other
        guard method == .post else { return }
        if ModelCall.holds(rest, "/chat/completions") {
            self = .chat
        } else if ModelCall.holds(rest, "/completions") {
            self = .completions
        } else if ModelCall.holds(rest, "/embeddings") {
            self = .embeddings
        } else if ModelCall.holds(rest, "/responses") {
            self = .responses
        }
    }

    /// A path that is written so that this gateway passes it through, and some servers read it as one of those that are
    /// rewritten and paid for: doubled or trailing slashes, percent signs, capitals, parameters of a segment.
    static func isDisguised(_ rest: Span<UInt8>) -> Bool {
        guard rest.count <= 512 else { return false }
        var plain: [UInt8] = []
        var at = 0
        while at < rest.count {
            var byte = rest[at]
            if byte == 0x25, at + 2 < rest.count, let high = hexadecimal(rest[at + 1]), let low = hexadecimal(rest[at + 2]) {
                byte = high << 4 | low
                at += 2
            }
            at += 1
            if byte == 0x3B { break }
            if byte == 0x2F, plain.last == 0x2F { continue }
            plain.append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
        }
        while plain.last == 0x2F { plain.removeLast() }
        return ["/chat/completions", "/completions", "/embeddings", "/responses"].contains { plain.elementsEqual($0.utf8) }
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46, 0x61...0x66: (byte | 0x20) - 0x57
        default: nil
        }
    }

    private static func holds(_ bytes: Span<UInt8>, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        for index in 0..<bytes.count where unsafe bytes[index] != text.utf8Start[index] { return false }
        return true
    }

    /// Where a streamed answer tells its usage when it is asked to.
    var takesUsageOption: Bool { self == .chat || self == .completions }
}

/// One request to a model: who is asked, what was set aside for it, what it used.
final class ModelExchange {
    let model: CompiledModel
    let call: ModelCall
    var host: Int
    /// How often it was sent again.
    var retries: UInt8 = 0
    var retriesHere = 0
    /// Where in the request the path after the API's base and its query stand.
    var restFrom = 0
    var restCount = 0
    /// How long the request's method is, before its target.
    var methodCount = 0
    /// Where in the request the part begins that every provider gets.
    var commonFrom = 0
    var facts = ChatFacts()
    /// Bytes of the body that was sent.
    var inputBytes = 0
    /// The provider had the whole request when its client went away.
    var wasHeard = false
    /// What was set aside, and of which accounts.
    var reserved: Int64 = 0
    var accounts: [BudgetBook.Account] = []

    /// The same provider is asked again when the client's deadline passes, with this.
    var isPausing = false
    var again = ByteBuffer()

    // The answer.
    enum Kind { case events, json, other }
    var kind = Kind.other
    var filter = EventFilter(strips: false)
    /// The client gets another framing than the provider's, because an event is left out.
    var isReframed = false
    var figures: TokenFigures?
    var outputBytes = 0
    /// Events that had come when the deadline was set last.
    var eventsBefore: Int64 = 0
    /// Monotonic nanoseconds at which the first of the answer came.
    var firstAt: Int64 = 0
    /// The end of a JSON answer that came in pieces.
    var tail = ByteBuffer()
    /// What goes to the client.
    var out = ByteBuffer()

    static let tailBytes = 4 << 10

    init(_ model: CompiledModel, _ call: ModelCall, host: Int) { (self.model, self.call, self.host) = (model, call, host) }

    var asked: ModelHost { model.hosts[host] }

    /// What it used, told or estimated.
    func tokens(status: Int) -> (figures: TokenFigures, isEstimated: Bool)? {
        if let told = figures ?? filter.figures { return (told, false) }
        // Whoever goes away before the answer has still had the question read.
        if call != .other, wasHeard, firstAt == 0 { return (TokenFigures(input: TokenFigures.estimate(bytes: inputBytes)), true) }
        guard call != .other, status == 200, firstAt > 0 else { return nil }
        let output = kind == .events ? filter.events : call == .embeddings ? 0 : TokenFigures.estimate(bytes: outputBytes)
        return (TokenFigures(input: TokenFigures.estimate(bytes: inputBytes), output: output), true)
    }
}
