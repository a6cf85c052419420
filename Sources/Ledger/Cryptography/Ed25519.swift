internal import COpenSSL

/// Ed25519 signatures (RFC 8032) over raw keys.
public enum Ed25519 {
    /// A key that signs. Its seed is a secret: it is written to one file and never printed.
    public struct PrivateKey: Sendable {
        public let seed: [UInt8]
        public let publicKey: PublicKey

        public init() { self.init(seed: SecureRandom.bytes(32))! }

        /// Nil unless the seed has 32 bytes.
        public init?(seed: [UInt8]) {
            guard seed.count == 32, let key = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count) else {
                return nil
            }
            defer { unsafe EVP_PKEY_free(key) }
            var bytes = [UInt8](repeating: 0, count: 32)
            var count = bytes.count
            guard unsafe EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1, let publicKey = PublicKey(bytes: bytes) else {
                return nil
            }
            (self.seed, self.publicKey) = (seed, publicKey)
        }

        /// 64 bytes; the same message always gets the same signature.
        public func sign(_ message: [UInt8]) -> [UInt8] {
            let key = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
            let context = unsafe EVP_MD_CTX_new()
            defer {
                unsafe EVP_MD_CTX_free(context)
                unsafe EVP_PKEY_free(key)
            }
            var signature = [UInt8](repeating: 0, count: 64)
            var count = signature.count
            let isSigned =
                unsafe EVP_DigestSignInit(context, nil, nil, nil, key) == 1
                && EVP_DigestSign(context, &signature, &count, message, message.count) == 1
            precondition(isSigned && count == 64, "libcrypto could not sign")
            return signature
        }
    }

    public struct PublicKey: Hashable, Sendable {
        public let bytes: [UInt8]

        /// Nil unless there are 32 bytes.
        public init?(bytes: [UInt8]) {
            guard bytes.count == 32 else { return nil }
            self.bytes = bytes
        }

        public func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
            guard signature.count == 64, let key = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count)
            else { return false }
            let context = unsafe EVP_MD_CTX_new()
            defer {
                unsafe EVP_MD_CTX_free(context)
                unsafe EVP_PKEY_free(key)
                // A refused signature leaves its reason in the thread's error queue, where nobody reads it.
                ERR_clear_error()
            }
            return unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
                && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        }
    }
}
