import Glibc
public import Routing

/// A provider's key, read where it is needed and held by what sends it alone. It prints as what refers to it.
public struct SecretKey: Sendable, CustomStringConvertible {
    private let reference: KeyReference
    private let secret: [UInt8]

    /// Why there is no key.
    public enum Absence: Error, Equatable, Sendable { case unset, unreadable, malformed }

    static let bytesMax = 8 << 10

    /// Reads it. Line ends around it are not part of it.
    public init(_ reference: KeyReference) throws(Absence) {
        self.reference = reference
        var bytes: [UInt8] = []
        switch reference {
        case .environment(let name):
            guard let value = unsafe getenv(name) else { throw .unset }
            bytes = unsafe Array(String(cString: value).utf8)
        case .file(let path):
            let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { throw errno == ENOENT ? .unset : .unreadable }
            defer { close(file) }
            bytes = [UInt8](repeating: 0, count: SecretKey.bytesMax + 1)
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw .unreadable }
            bytes.removeLast(bytes.count - count)
        }
        while let last = bytes.last, last == 0x0A || last == 0x0D || last == 0x20 { bytes.removeLast() }
        guard !bytes.isEmpty else { throw .unset }
        guard bytes.count <= SecretKey.bytesMax, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .malformed }
        secret = bytes
    }

    /// `Authorization: Bearer ...` with its line end.
    public var headerLine: [UInt8] { Array("Authorization: Bearer ".utf8) + secret + [0x0D, 0x0A] }

    public var description: String { reference.text }

    /// For a fault: why a request cannot be sent.
    public static func why(_ absence: Absence, _ reference: KeyReference) -> String {
        switch (absence, reference) {
        case (.unset, .environment(let name)): "the environment variable \(name) is not set in the daemon"
        case (.unset, .file(let path)): "there is no key in the file \(path)"
        case (.unreadable, _): "\(reference.text) cannot be read"
        case (.malformed, _): "\(reference.text) does not hold a key: it has blanks or other characters that no header takes"
        }
    }
}
