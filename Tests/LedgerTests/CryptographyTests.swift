import Ledger
import Testing

@Suite struct CryptographyTests {
    // FIPS 180-4, as published in NIST's example values.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `SHA-256 gives the published values, at once and in pieces`(text: String, hex: String) {
        #expect(SHA256.digest(of: text).hex == hex)
        for cut in 0...text.utf8.count {
            var hash = SHA256()
            hash.update(Array(text.utf8.prefix(cut)))
            hash.update(Array(text.utf8.dropFirst(cut)).span)
            #expect(hash.finish().hex == hex)
        }
        #expect(SHA256Digest(hex: hex)?.hex == hex)
        #expect(SHA256Digest(hex: hex.uppercased()) == nil || hex.uppercased() == hex)
    }

    // RFC 8032, section 7.1, tests 1 to 3.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ])
    func `Ed25519 signs and verifies the published vectors and nothing else`(
        seed: String, publicKey: String, message: String, signature: String
    ) throws {
        let key = try #require(Ed25519.PrivateKey(seed: Hexadecimal.bytes(of: seed)!))
        let bytes = Hexadecimal.bytes(of: message)!
        let signed = Hexadecimal.bytes(of: signature)!
        #expect(Hexadecimal.text(of: key.publicKey.bytes) == publicKey)
        #expect(key.sign(bytes) == signed)
        #expect(key.publicKey.verifies(signed, of: bytes))
        for bit in 0..<512 {
            var forged = signed
            forged[bit / 8] ^= 1 << (bit % 8)
            #expect(!key.publicKey.verifies(forged, of: bytes))
        }
        #expect(!key.publicKey.verifies(signed, of: bytes + [0]))
        #expect(!key.publicKey.verifies(Array(signed.dropLast()), of: bytes))
        #expect(!Ed25519.PrivateKey().publicKey.verifies(signed, of: bytes))
        #expect(Ed25519.PrivateKey(seed: [1, 2, 3]) == nil)
    }

    // RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `base64 gives the published values and reads them back`(text: String, encoded: String) {
        #expect(Base64.text(of: Array(text.utf8)) == encoded)
        #expect(Base64.bytes(of: encoded) == Array(text.utf8))
    }

    @Test(arguments: ["Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm9v\n", "Zm 9v", "Zm-_", "=Zg=", "Zg==Zg=="])
    func `base64 that is not the one text of its bytes is refused`(text: String) { #expect(Base64.bytes(of: text) == nil) }

    @Test func `random bytes do not repeat, and comparison sees every byte`() {
        let bytes = SecureRandom.bytes(64)
        #expect(Set((0..<100).map { _ in SecureRandom.bytes(16) }).count == 100)
        #expect(ConstantTime.equal(bytes, bytes))
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 1
            #expect(!ConstantTime.equal(bytes, other))
        }
        #expect(!ConstantTime.equal(bytes, Array(bytes.dropLast())))
        #expect(ConstantTime.equal([], []))
        for _ in 0..<100 { #expect(Base64.bytes(of: Base64.text(of: SecureRandom.bytes(Int.random(in: 0..<99)))) != nil) }
    }
}
