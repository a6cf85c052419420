internal import COpenSSL
public import Faults

/// An authority of our own: it signs who may serve and who may call, and nobody else believes in it. X.509 (RFC 5280) with keys
/// on P-256 and SHA-256.
public struct CertificateAuthority: Equatable, Sendable {
    /// In PEM.
    public let certificate: String
    /// In PEM, not encrypted: whoever keeps it keeps it where only this user reads.
    public let key: String

    public enum Use: Sendable {
        /// Serves under the name that it is made out to; nobody can call with it.
        case server
        /// Calls; nobody can serve with it.
        case client
    }

    /// Takes up one that was kept. Nil where the two do not belong together, or are none.
    public init?(certificate: String, key: String) {
        guard unsafe claw_certificate_fits(certificate, key) == 1 else { return nil }
        (self.certificate, self.key) = (certificate, key)
    }

    /// Makes a new one. Faults: libcrypto refuses.
    public init(named name: String, days: Int32) throws(Fault) {
        (certificate, key) = try Self.make(CLAW_CERTIFICATE_AUTHORITY, name, days, signedBy: nil)
    }

    /// A key and a certificate for it, in PEM, valid from an hour ago. `name`: at most 64 bytes. Faults: libcrypto refuses.
    public func issue(_ use: Use, to name: String, days: Int32) throws(Fault) -> (certificate: String, key: String) {
        try Self.make(use == .server ? CLAW_CERTIFICATE_SERVER : CLAW_CERTIFICATE_CLIENT, name, days, signedBy: self)
    }

    private static func make(_ kind: claw_certificate_kind, _ name: String, _ days: Int32, signedBy issuer: CertificateAuthority?)
        throws(Fault) -> (certificate: String, key: String)
    {
        var certificate = [UInt8](repeating: 0, count: 8 << 10)
        var key = certificate
        let issuerTexts = issuer.map { ($0.certificate, $0.key) }
        let code = unsafe name.withCString { name in
            unsafe lend(issuerTexts?.0) { issuerCertificate in
                unsafe lend(issuerTexts?.1) { issuerKey in
                    var wish = unsafe claw_certificate_wish(
                        kind: kind, name: name, days: days, issuer_certificate: issuerCertificate, issuer_key: issuerKey)
                    return unsafe make(&wish, &certificate, &key)
                }
            }
        }
        guard code == 1 else {
            throw Fault(
                what: "A certificate for '\(name)' could not be made.", why: "libcrypto refused it.",
                fix: "See that the name has at most 64 bytes and OpenSSL 3 is installed.")
        }
        return (text(certificate), text(key))
    }

    private static func make(_ wish: inout claw_certificate_wish, _ certificate: inout [UInt8], _ key: inout [UInt8]) -> Int32 {
        unsafe certificate.withUnsafeMutableBytes { certificate in
            unsafe key.withUnsafeMutableBytes { key in
                unsafe claw_certificate_make(
                    &wish, certificate.baseAddress?.assumingMemoryBound(to: CChar.self),
                    key.baseAddress?.assumingMemoryBound(to: CChar.self), certificate.count)
            }
        }
    }

    private static func lend<Answer>(_ text: String?, to body: (UnsafePointer<CChar>?) -> Answer) -> Answer {
        guard let text else { return body(nil) }
        return unsafe text.withCString { unsafe body($0) }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}
