internal import COpenSSL

/// The 32 bytes of a SHA-256 hash.
public struct SHA256Digest: Hashable, Sendable {
    public static let byteCount = 32
    public let bytes: [UInt8]

    /// Nil unless there are exactly 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == SHA256Digest.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Reads 64 lower-case hexadecimal digits.
    public init?(hex: String) {
        guard let bytes = Hexadecimal.bytes(of: hex) else { return nil }
        self.init(bytes: bytes)
    }

    public init?(base64: String) {
        guard let bytes = Base64.bytes(of: base64) else { return nil }
        self.init(bytes: bytes)
    }

    /// 64 lower-case hexadecimal digits.
    public var hex: String { Hexadecimal.text(of: bytes) }
    public var base64: String { Base64.text(of: bytes) }
}

extension SHA256Digest: CustomStringConvertible {
    public var description: String { hex }
}

/// SHA-256 (FIPS 180-4): `SHA256.digest(of:)` for what is in memory, `update` and `finish` for what comes in pieces.
@safe public struct SHA256: ~Copyable {
    // Fetched once: looking an algorithm up by name costs more than hashing an entry.
    private nonisolated(unsafe) static let algorithm = unsafe EVP_MD_fetch(nil, "SHA256", nil)

    private let context: OpaquePointer

    public init() {
        guard let context = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex(context, SHA256.algorithm, nil) == 1 else {
            preconditionFailure("libcrypto gives no SHA-256")
        }
        unsafe self.context = context
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    public mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { bytes in
            let code = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
            precondition(code == 1, "libcrypto could not hash")
        }
    }

    public mutating func update(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { bytes in
            let code = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
            precondition(code == 1, "libcrypto could not hash")
        }
    }

    public consuming func finish() -> SHA256Digest {
        var digest = [UInt8](repeating: 0, count: SHA256Digest.byteCount)
        let code = unsafe digest.withUnsafeMutableBufferPointer { unsafe EVP_DigestFinal_ex(context, $0.baseAddress, nil) }
        precondition(code == 1, "libcrypto could not finish a hash")
        return SHA256Digest(bytes: digest)!
    }

    public static func digest(of bytes: [UInt8]) -> SHA256Digest {
        var digest = [UInt8](repeating: 0, count: SHA256Digest.byteCount)
        let code = unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe EVP_Digest(bytes.baseAddress, bytes.count, digest.baseAddress, nil, algorithm, nil)
            }
        }
        precondition(code == 1, "libcrypto could not hash")
        return SHA256Digest(bytes: digest)!
    }

    public static func digest(of text: String) -> SHA256Digest { digest(of: Array(text.utf8)) }
}
