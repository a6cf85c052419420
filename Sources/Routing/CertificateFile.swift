public import Faults
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
        return path
    }
}
