public import Sockets

/// Writes the heads of answers and chunked bodies into a buffer.
public enum ResponseWriter {
    public static let continueLine: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"
    public static let lastChunk: StaticString = "0\r\n\r\n"

    /// `HTTP/1.1 200 OK` and the line end.
    public static func statusLine(_ status: Int, into buffer: inout ByteBuffer) {
        buffer.append("HTTP/1.1 ")
        buffer.append(decimal: status)
        buffer.append(byte: 0x20)
        buffer.append(reason(status))
        buffer.append("\r\n")
    }

    /// A whole head for a body of `length` bytes, or chunked when nil.
    public static func head(_ status: Int, _ headers: HTTPHeaders, length: Int?, keepsAlive: Bool, into buffer: inout ByteBuffer) {
        statusLine(status, into: &buffer)
        fields(headers, into: &buffer)
        if status >= 200 && status != 204 && status != 304 {
            if let length {
                buffer.append("Content-Length: ")
                buffer.append(decimal: length)
                buffer.append("\r\n")
            } else {
                buffer.append("Transfer-Encoding: chunked\r\n")
            }
        }
        buffer.append(keepsAlive ? "\r\n" : "Connection: close\r\n\r\n")
    }

    /// The header lines, without what frames the message: that is the writer's own.
    public static func fields(_ headers: HTTPHeaders, into buffer: inout ByteBuffer) {
        for field in headers.fields where isWritable(field) {
            buffer.append(field.name)
            buffer.append(": ")
            buffer.append(field.value)
            buffer.append("\r\n")
        }
    }

    /// One chunk; an empty one would end the body and is not written.
    public static func chunk(_ bytes: Span<UInt8>, into buffer: inout ByteBuffer) {
        guard bytes.count > 0 else { return }
        chunkSize(bytes.count, into: &buffer)
        buffer.append(bytes)
        buffer.append("\r\n")
    }

    public static func chunkSize(_ count: Int, into buffer: inout ByteBuffer) {
        buffer.append(hexadecimal: UInt64(count), digits: max(1, (Int.bitWidth - count.leadingZeroBitCount + 3) / 4))
        buffer.append("\r\n")
    }

    /// A handler's value must not end its line and start another (response splitting).
    private static func isWritable(_ field: HTTPHeaders.Field) -> Bool {
        guard !field.name.isEmpty, field.name.utf8.allSatisfy(ASCII.isToken),
            field.value.utf8.allSatisfy({ ($0 >= 0x20 || $0 == 0x09) && $0 != 0x7F })
        else { return false }
        switch field.name.lowercased() {
        case "content-length", "transfer-encoding", "connection": return false
        default: return true
        }
    }

    public static func reason(_ status: Int) -> StaticString {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        default: "Status"
        }
    }
}
