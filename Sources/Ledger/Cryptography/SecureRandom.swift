internal import COpenSSL

/// Randomness for secrets: tokens, keys, ids that must not be guessed. Never for a decision that has to replay.
public enum SecureRandom {
    public static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let code = unsafe bytes.withUnsafeMutableBufferPointer { unsafe RAND_bytes($0.baseAddress, Int32($0.count)) }
        // Going on with predictable bytes would be worse than not going on.
        precondition(code == 1, "libcrypto has no randomness")
        return bytes
    }
}

/// Comparison that takes as long for the first wrong byte as for the last, so that timing tells nothing about a secret.
public enum ConstantTime {
    public static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return unsafe a.withUnsafeBytes { a in
            unsafe b.withUnsafeBytes { b in unsafe CRYPTO_memcmp(a.baseAddress, b.baseAddress, a.count) == 0 }
        }
    }
}
