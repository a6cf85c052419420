public import Faults
import Glibc
public import YAML

/// `ca_file:` names the certificates (PEM) that an https url is checked against instead of the system's.
public enum CertificateFile {
    /// The path that a node names. `url` is the address it is for, where one stands beside it.
    public static func path(_ node: YAMLNode, for url: String?) throws(Fault) -> String {
        let path = try node.string()
        let isPath = path.hasPrefix("/") && path.utf8.count <= 4_096 && path.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        guard isPath else {
            throw node.fault(
                "'\(path)' cannot be where certificates are found", why: "the daemon reads the file, wherever it was started",
                fix: "write its whole path, such as `ca_file: /etc/openclaw/ca.pem`")
        }
        guard let url, url.lowercased().hasPrefix("https://") else {
            throw node.fault(
                "`ca_file` stands beside no https url", why: "certificates are checked where TLS is spoken",
                fix: "write the url with https://, or remove `ca_file`")
        }
        try check(path, node)
        return path
    }

    /// Tells now what every request would be told: that the file cannot be read, or holds no certificate.
    static func check(_ path: String, _ node: YAMLNode) throws(Fault) {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw node.fault(
                "the certificates in \(path) cannot be read", why: unsafe String(cString: strerror(errno)),
                fix: "put the file there, readable for the daemon, or correct `ca_file`")
        }
        defer { close(file) }
        // Bundles of a system's authorities hold about 230 KB.
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
        let holdsOne = bytes.prefix(max(0, count)).split(separator: 0x0A).contains { line in
            // Also `TRUSTED CERTIFICATE` and `X509 CERTIFICATE`, which OpenSSL reads as well.
            line.starts(with: "-----BEGIN ".utf8) && String(decoding: line, as: UTF8.self).contains("CERTIFICATE-----")
        }
        guard holdsOne else {
            throw node.fault(
                "\(path) holds no certificate", why: "a certificate in PEM form begins with -----BEGIN CERTIFICATE-----",
                fix: "name a file of certificates in PEM form")
        }
    }
}
