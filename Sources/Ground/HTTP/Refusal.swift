/// Why a request is not served. Each is answered with its status and a closed connection: after bytes that two parsers could
/// read in two ways, nothing that follows on the connection can be trusted.
public enum Refusal: String, Sendable, CaseIterable {
    case badRequestLine, badTarget, dotSegment, unknownVersion
    case badFieldName, badFieldValue, foldedField, bareCarriageReturn, bareLineFeed
    case missingHost, repeatedHost, badHost
    case badContentLength, repeatedContentLength, lengthAndChunked, unknownTransferCoding, repeatedTransferCoding
    case badChunk, badExpectation
    case headTooLarge, tooManyFields, bodyTooLarge
    case timedOut, upgradeRefused, connectRefused, overloaded, memoryTaken

    public var status: Int {
        switch self {
        case .headTooLarge, .tooManyFields: 431
        case .bodyTooLarge: 413
        case .timedOut: 408
        case .badExpectation: 417
        case .upgradeRefused, .connectRefused: 501
        case .overloaded, .memoryTaken: 503
        default: 400
        }
    }

    /// What stands in the answer.
    public var what: String {
        switch self {
        case .badRequestLine: "The request line is not METHOD SP TARGET SP VERSION."
        case .badTarget: "The request target is not a path, or names another host than the Host field."
        case .dotSegment: "The path has a '.' or '..' segment."
        case .unknownVersion: "The protocol version is neither HTTP/1.1 nor HTTP/1.0."
        case .badFieldName: "A header field's name is not a token directly followed by a colon."
        case .badFieldValue: "A header field's value has a control character."
        case .foldedField: "A header field is continued on a second line."
        case .bareCarriageReturn: "A carriage return stands without its line feed."
        case .bareLineFeed: "A line feed stands without its carriage return."
        case .missingHost: "The Host field is missing."
        case .repeatedHost: "The Host field is repeated."
        case .badHost: "The Host field is not a host."
        case .badContentLength: "Content-Length is not a number."
        case .repeatedContentLength: "Content-Length is repeated."
        case .lengthAndChunked: "Content-Length and Transfer-Encoding stand together."
        case .unknownTransferCoding: "The transfer coding is not 'chunked', or not of HTTP/1.1."
        case .repeatedTransferCoding: "Transfer-Encoding is repeated."
        case .badChunk: "The chunked body is malformed."
        case .badExpectation: "The expectation is not 100-continue."
        case .headTooLarge: "The request line or the header section is too large."
        case .tooManyFields: "There are too many header fields."
        case .bodyTooLarge: "The body is too large."
        case .timedOut: "The request did not arrive in time."
        case .upgradeRefused: "This server carries no upgraded connections (WebSocket, HTTP/2)."
        case .connectRefused: "This server opens no tunnels."
        case .overloaded: "All connections of this server are taken."
        case .memoryTaken: "This server holds as many bytes of other requests as it may."
        }
    }

    public var why: String {
        switch self {
        case .headTooLarge, .tooManyFields, .bodyTooLarge, .timedOut, .overloaded, .memoryTaken: "A limit was reached."
        case .upgradeRefused, .connectRefused: "It serves HTTP/1.1 requests only."
        default: "Such requests are refused, because another server could read them differently."
        }
    }

    public var fix: String {
        switch self {
        case .headTooLarge, .tooManyFields: "Send fewer or smaller header fields."
        case .bodyTooLarge: "Send a smaller body."
        case .timedOut: "Send the whole request without pausing."
        case .overloaded, .memoryTaken: "Try again shortly."
        case .upgradeRefused: "Send the request without Upgrade; server-sent events stream through."
        case .connectRefused: "Send the request itself, not CONNECT."
        default: "Send a request as RFC 9112 has it."
        }
    }
}
