import Faults
import HTTP
import JSON

/// One thing the control API does, declared as data: the router serves it, the OpenAPI document describes it, and neither can
/// say what the other does not.
struct Endpoint: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case delete = "DELETE"
    }

    /// Who may call it.
    enum Access: Equatable, Sendable {
        /// Everybody who reaches the port (health, readiness, the API's own description).
        case open
        /// Everybody while the API is bound to loopback, else a token with `read` (Prometheus scrapes send one too).
        case openOnLoopback
        case scope(TokenScope)
    }

    /// What an answer is made of.
    enum Gives: Sendable {
        case json(Schema)
        case text(type: String)
        /// Server-sent events; the sentence says which.
        case events(String)
    }

    struct QueryItem: Sendable {
        let name: String
        let about: String
        let required: Bool
        init(_ name: String, _ about: String, required: Bool = false) {
            (self.name, self.about, self.required) = (name, about, required)
        }
    }

    typealias Run = @Sendable (Call) async throws(Fault) -> Answer

    let method: Method
    /// `/api/v1/releases/{name}`: a segment in braces matches one segment of a request and names it.
    let path: String
    let access: Access
    let summary: String
    let query: [QueryItem]
    let takes: Schema?
    let gives: Gives
    let run: Run

    /// An endpoint that answers JSON.
    init(
        _ method: Method, _ path: String, _ access: Access, _ summary: String, query: [QueryItem] = [], takes: Schema? = nil,
        gives: Schema, run: @escaping Run
    ) {
        self.init(method, path, access, summary, query: query, takes: takes, answers: .json(gives), run: run)
    }

    /// An endpoint that answers text or events.
    init(
        _ method: Method, _ path: String, _ access: Access, _ summary: String, query: [QueryItem] = [], takes: Schema? = nil,
        answers: Gives, run: @escaping Run
    ) {
        (self.method, self.path, self.access, self.summary) = (method, path, access, summary)
        (self.query, self.takes, self.gives, self.run) = (query, takes, answers, run)
    }

    var segments: [Substring] { path.split(separator: "/", omittingEmptySubsequences: true) }
    /// The names in braces, in order.
    var parameters: [String] { segments.compactMap(Endpoint.parameter).map(String.init) }

    static func parameter(_ segment: Substring) -> Substring? {
        segment.hasPrefix("{") && segment.hasSuffix("}") ? segment.dropFirst().dropLast() : nil
    }
}

/// What an endpoint answers with.
enum Answer: Sendable {
    case json(JSONValue, status: Int = 200)
    case text(String, type: String)
    /// An answer in another protocol's shape.
    case whole(HTTPResponse)
    case events(AsyncStream<[UInt8]>)
    /// A text that is written as it is made (an export may be larger than the memory).
    case stream(AsyncStream<[UInt8]>, type: String)

    static func list(_ name: String, _ items: [JSONValue]) -> Answer { .json(.object([name: .array(items)])) }
}
