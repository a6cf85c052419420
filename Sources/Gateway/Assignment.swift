package import HTTP
package import Routing

/// Who gets what: the variant a request's unit is assigned to.
package struct Assignment {
    package let route: CompiledRoute
    package let unit: UnitID
    package let variant: VariantID
    /// The chance this unit had of that variant, in basis points.
    package let share: UInt16
    /// Set where a scorer chose: then the share has yet to be counted.
    let choice: ScoredChoice?
}

extension CompiledTable {
    /// Where a request's route is found: this host before any, then the longest path that ends at a path boundary.
    func route(for request: borrowing RequestParser, in bytes: Span<UInt8>) -> CompiledRoute? {
        let host = bytes.hostName(request.host)
        for route in routes where route.matches(host: host, path: request.path, in: bytes) { return route }
        return nil
    }

    /// The whole decision for a request that needs no body: matched, hashed, split. Allocates nothing.
    package func assign(_ request: borrowing RequestParser, in bytes: Span<UInt8>, name: RequestName, client: UnitID) -> Assignment?
    {
        guard let route = route(for: request, in: bytes) else { return nil }
        let nothing = unsafe UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        if !route.layers.isEmpty,
            case .takes(let assignment) = unsafe route.ask(request, in: bytes, body: nothing, name: name, client: client)
        {
            return assignment
        }
        return route.assign(route.unit.read(request, in: bytes, client: client) ?? name.unit)
    }
}

extension CompiledRoute {
    /// Where the unit meets the split.
    func assign(_ unit: UnitID) -> Assignment {
        let variant = split.variant(for: unit)
        return Assignment(route: self, unit: unit, variant: variant, share: shares[Int(variant.number)], choice: nil)
    }

    @inline(__always)
    func matches(host: ByteRange, path: ByteRange, in bytes: Span<UInt8>) -> Bool {
        if !self.host.isEmpty, host.count != self.host.count || !bytes.matchesWithoutCase(self.host, at: host.start) {
            return false
        }
        guard path.count >= self.path.count, bytes.holds(self.path, at: path.start) else { return false }
        return path.count == self.path.count || bytes[path.start + self.path.count] == UInt8(ascii: "/")
    }
}

extension CompiledUnit {
    /// The unit as head and client name it; nil when they do not.
    @inline(__always)
    func read(_ request: borrowing RequestParser, in bytes: Span<UInt8>, client: UnitID) -> UnitID? {
        switch self {
        case .header(let name):
            guard let value = request.fields.first(named: name.span, in: bytes)?.value, value.count > 0 else { return nil }
            return UnitID(of: bytes, value)
        case .cookie(let name): return request.cookie(name, in: bytes).map { UnitID(of: bytes, $0) }
        case .client: return client
        case .json, .none: return nil
        }
    }
}

extension RequestParser {
    /// The first cookie of this name, as in `a=1; sid=xyz`.
    func cookie(_ name: [UInt8], in bytes: Span<UInt8>) -> ByteRange? {
        for index in 0..<fields.count where fields[index].kind == .cookie {
            let value = fields[index].value
            var at = value.start
            while at < value.end {
                while at < value.end, bytes[at] == 0x20 || bytes[at] == 0x3B { at += 1 }
                var end = at
                while end < value.end, bytes[end] != 0x3B { end += 1 }
                let start = at + name.count + 1
                if start < end, bytes.holds(name, at: at), bytes[start - 1] == UInt8(ascii: "=") {
                    return ByteRange(start: start, count: end - start)
                }
                at = end
            }
        }
        return nil
    }
}

extension UnitID {
    @inline(__always)
    init(of bytes: Span<UInt8>, _ range: ByteRange) {
        self = unsafe bytes.extracting(range.range).withUnsafeBufferPointer { unsafe UnitID($0) }
    }
}

extension Span where Element == UInt8 {
    /// A Host value without its port.
    func hostName(_ host: ByteRange) -> ByteRange {
        var end = host.end
        while end > host.start, self[end - 1] &- 0x30 < 10 { end -= 1 }
        guard end > host.start, self[end - 1] == 0x3A else { return host }
        return ByteRange(start: host.start, count: end - 1 - host.start)
    }

    /// Whether exactly these bytes stand at `start`.
    @inline(__always)
    func holds(_ other: [UInt8], at start: Int) -> Bool {
        guard start + other.count <= count else { return false }
        for index in other.indices where self[start + index] != other[index] { return false }
        return true
    }

    /// Whether these lower-case bytes stand at `start`, in any case.
    func matchesWithoutCase(_ other: [UInt8], at start: Int) -> Bool {
        guard start + other.count <= count else { return false }
        for index in other.indices {
            let byte = self[start + index]
            if (byte &- 0x41 < 26 ? byte | 0x20 : byte) != other[index] { return false }
        }
        return true
    }
}
