internal import CCollectives

/// How two ranks know that both belong to the job: each proves that it holds the job's secret, over random numbers of both, and
/// neither sends it. docs/protocols/collectives.md has the bytes.
enum Proof {
    static func digest(of bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        unsafe claw_digest(key, key.count, bytes, bytes.count, &digest)
        return digest
    }

    static func random(_ count: Int) throws(CollectiveFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard unsafe claw_random(&bytes, count) else { throw CollectiveFailure(.failed, "the system gives no random numbers") }
        return bytes
    }

    /// What the one who listens proves, and the one who came.
    static func ofListener(_ greeting: Greeting, nonce: [UInt8], secret: [UInt8]) -> [UInt8] {
        digest(of: Array("openclaw listener 1".utf8) + greeting.bytes + nonce, key: secret)
    }

    static func ofComer(_ greeting: Greeting, nonce: [UInt8], secret: [UInt8]) -> [UInt8] {
        digest(of: Array("openclaw comer 1".utf8) + greeting.bytes + nonce, key: secret)
    }

    /// Compares without telling by its time where the first difference is.
    static func matches(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        one.count == other.count && zip(one, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// The first message of a connection.
struct Greeting: Equatable {
    enum Purpose: UInt32 {
        case control = 0
        case data = 1
    }

    static let count = 64
    static let magic: UInt32 = 0x4A4C_434F  // "OCLJ"
    static let version: UInt32 = 1

    var epoch: UInt64
    var from: Int32
    var to: Int32
    var purpose: Purpose
    /// Of the membership, so that two who were told different things do not form one mesh.
    var membership: [UInt8]
    var nonce: [UInt8]

    var bytes: [UInt8] {
        var bytes = ByteWriter()
        bytes.put(Greeting.magic)
        bytes.put(Greeting.version)
        bytes.put(epoch)
        bytes.put(UInt32(bitPattern: from))
        bytes.put(UInt32(bitPattern: to))
        bytes.put(purpose.rawValue)
        bytes.put(UInt32(0))
        return bytes.bytes + membership + nonce
    }

    init(epoch: UInt64, from: Int32, to: Int32, purpose: Purpose, membership: [UInt8], nonce: [UInt8]) {
        (self.epoch, self.from, self.to) = (epoch, from, to)
        (self.purpose, self.membership, self.nonce) = (purpose, membership, nonce)
    }

    /// Nil for anything that is no greeting of this version.
    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard bytes.count == Greeting.count, reader.take(UInt32.self) == Greeting.magic,
            reader.take(UInt32.self) == Greeting.version
        else { return nil }
        epoch = reader.take(UInt64.self)
        from = Int32(bitPattern: reader.take(UInt32.self))
        to = Int32(bitPattern: reader.take(UInt32.self))
        guard let purpose = Purpose(rawValue: reader.take(UInt32.self)), reader.take(UInt32.self) == 0 else { return nil }
        self.purpose = purpose
        membership = Array(bytes[32..<48])
        nonce = Array(bytes[48..<64])
    }
}

/// What the listener says at the end: welcome, or why not.
struct Verdict: Equatable {
    static let count = 16
    static let welcome = Verdict(code: 0, epoch: 0)

    /// 0, or a `CollectiveFailure.Reason`.
    var code: Int32
    /// The listener's own epoch.
    var epoch: UInt64

    init(code: Int32, epoch: UInt64) { (self.code, self.epoch) = (code, epoch) }

    var bytes: [UInt8] {
        var bytes = ByteWriter()
        bytes.put(UInt32(bitPattern: code))
        bytes.put(UInt32(0))
        bytes.put(epoch)
        return bytes.bytes
    }

    init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        code = Int32(bitPattern: reader.take(UInt32.self))
        _ = reader.take(UInt32.self)
        epoch = reader.take(UInt64.self)
    }
}

/// Little-endian numbers, one after the other.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func put<T: FixedWidthInteger>(_ number: T) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> T(shift))) }
    }
}

struct ByteReader {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The next number; zeros where the bytes ended.
    mutating func take<T: FixedWidthInteger>(_ type: T.Type) -> T {
        var number: T = 0
        for shift in stride(from: 0, to: T.bitWidth, by: 8) {
            if at < bytes.count { number |= T(truncatingIfNeeded: bytes[at]) << T(shift) }
            at += 1
        }
        return number
    }
}
