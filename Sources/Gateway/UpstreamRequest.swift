import HTTP
import Sockets

/// The request as the variant gets it: our target, Host and framing, the client's other fields as they were sent.
extension ClientConnection {
    enum Framing {
        case length(Int)
        case chunked, none
    }

    /// Appends the head. `changesLength` says that the client's own Content-Length is no longer true.
    func writeHead(
        _ request: borrowing RequestParser, in bytes: UnsafeBufferPointer<UInt8>, route: CompiledRoute, variant: CompiledVariant,
        name: RequestName, framing: Framing, changesLength: Bool, into buffer: inout ByteBuffer
    ) {
        buffer.reserve(request.count + 512)
        unsafe buffer.append(bytes.part(request.methodText))
        buffer.append(byte: 0x20)
        unsafe writeTarget(request, in: bytes, route: route, variant: variant, into: &buffer)
        buffer.append(variant.afterTarget)
        let hasTrace = unsafe copyFields(
            request, in: bytes, rewrite: variant.rewrite, dropsLength: changesLength, into: &buffer)
        if let rewrite = variant.rewrite {
            for header in rewrite.headers { buffer.append(header.line) }
        }
        buffer.append("X-OpenClaw-Request-Id: ")
        name.write(into: &buffer)
        if !hasTrace {
            // The trace takes the request's own id, so that a trace and an exposure find each other.
            buffer.append("\r\ntraceparent: 00-")
            name.write(into: &buffer)
            buffer.append("-")
            buffer.append(hexadecimal: name.low | 1)
            buffer.append("-01")
        }
        switch framing {
        case .length(let length) where changesLength:
            buffer.append("\r\nContent-Length: ")
            buffer.append(decimal: length)
        case .chunked: buffer.append("\r\nTransfer-Encoding: chunked")
        case .length, .none: break
        }
        buffer.append("\r\n\r\n")
    }

    /// The variant's path, the rest of the request's path after the route's, and the query.
    private func writeTarget(
        _ request: borrowing RequestParser, in bytes: UnsafeBufferPointer<UInt8>, route: CompiledRoute, variant: CompiledVariant,
        into buffer: inout ByteBuffer
    ) {
        buffer.append(variant.path)
        var rest = request.target.start + route.path.count
        // One slash between the two; and `/` on a route for every path means the variant's url itself.
        let isRoot = route.path.isEmpty && request.path.count == 1
        if rest < request.target.end, unsafe bytes[rest] == 0x2F, isRoot || variant.path.last == 0x2F { rest += 1 }
        unsafe buffer.append(UnsafeBufferPointer(rebasing: bytes[rest..<request.target.end]))
    }

    /// Copies the client's fields in runs, leaving out what is hop by hop, ours, or rewritten. True when a trace was among them.
    private func copyFields(
        _ request: borrowing RequestParser, in bytes: UnsafeBufferPointer<UInt8>, rewrite: CompiledRewrite?, dropsLength: Bool,
        into buffer: inout ByteBuffer
    ) -> Bool {
        var hasTrace = false
        var run = 0..<0
        for index in 0..<request.fields.count {
            let field = request.fields[index]
            let isKept: Bool
            switch field.kind {
            case .host, .expect, .openclaw, .transferEncoding: isKept = false
            case .contentLength: isKept = !dropsLength
            case .traceparent:
                isKept = !field.isHopByHop
                hasTrace = hasTrace || isKept
            default: isKept = !field.isHopByHop
            }
            if isKept, unsafe rewrite?.replaces(field.name, in: bytes) != true {
                if run.upperBound == field.line.start {
                    run = run.lowerBound..<field.line.end
                    continue
                }
                unsafe buffer.append(UnsafeBufferPointer(rebasing: bytes[run]))
                run = field.line.range
            }
        }
        unsafe buffer.append(UnsafeBufferPointer(rebasing: bytes[run]))
        return hasTrace
    }
}

extension CompiledRewrite {
    func replaces(_ name: ByteRange, in bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        for header in headers where header.name.count == name.count {
            if unsafe bytes.span.matchesWithoutCase(header.name, at: name.start) { return true }
        }
        return false
    }
}

extension UnsafeBufferPointer where Element == UInt8 {
    @inline(__always)
    func part(_ range: ByteRange) -> UnsafeBufferPointer<UInt8> { unsafe UnsafeBufferPointer(rebasing: self[range.range]) }
}
