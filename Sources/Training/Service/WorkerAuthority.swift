import Faults
import JSON
import Ledger
import RPC
import Sockets
import Telemetry

/// Signs for this daemon and for the Workers that come in over a network. It is made at the first start and kept in files that
/// only this user reads; nobody else ever believes in it.
struct WorkerAuthority: Sendable {
    static let serverName = "daemon.openclaw"
    /// Days. A Worker's token is what lets it in; without the certificate it does not even get to show it.
    private static let workerDays: Int32 = 90
    private static let ownDays: Int32 = 3_650

    let folder: String
    private let authority: CertificateAuthority

    /// Faults: `folder` cannot be written.
    init(in folder: String) throws(Fault) {
        self.folder = folder
        try PlainFiles.make(folder)
        let (certificateFile, keyFile) = ("\(folder)/authority.pem", "\(folder)/authority.key")
        let kept = CertificateAuthority(certificate: Self.text(certificateFile), key: Self.text(keyFile))
        if let kept {
            authority = kept
            return
        }
        authority = try CertificateAuthority(named: "openclaw workers", days: Self.ownDays)
        try PlainFiles.write(authority.key, to: keyFile)
        try PlainFiles.write(authority.certificate, to: certificateFile)
        Log("training").info("made an authority for Workers on other machines", ["folder": .string(folder)])
    }

    private static func text(_ path: String) -> String { String(decoding: PlainFiles.read(path, limit: 64 << 10), as: UTF8.self) }

    /// Names this installation among all of one user.
    var installation: String { String(SHA256.digest(of: authority.certificate).hex.prefix(10)) }

    /// What the daemon shows Workers, new in each of its lives.
    func server() throws(Fault) -> RPCIdentity {
        identity(try authority.issue(.server, to: Self.serverName, days: Self.ownDays))
    }

    /// What one Worker shows the daemon.
    func worker(named name: String) throws(Fault) -> RPCIdentity {
        identity(try authority.issue(.client, to: String(name.prefix(64)), days: Self.workerDays))
    }

    private func identity(_ issued: (certificate: String, key: String)) -> RPCIdentity {
        RPCIdentity(
            authority: authority.certificate, certificate: issued.certificate, key: issued.key, serverName: Self.serverName)
    }
}

extension WorkerDesk.Door {
    /// With the port that an earlier life took, where it took any.
    var usual: String {
        guard address.hasSuffix(":0"), let portFile else { return address }
        let kept = Int(String(decoding: PlainFiles.read(portFile, limit: 16), as: UTF8.self)) ?? 0
        return "\(address.dropLast(2)):\(kept)"
    }

    /// What Workers call: the address listened on; where that is every address of this machine, its name.
    func calledAt(_ listened: String) throws(Fault) -> String {
        guard identity != nil, let colon = listened.lastIndex(of: ":") else { return listened }
        let (host, port) = (String(listened[..<colon]), String(listened[listened.index(after: colon)...]))
        if let portFile { try PlainFiles.write(port, to: portFile) }
        return ["0.0.0.0", "[::]"].contains(host) ? "\(LocalInventory.hostName):\(port)" : listened
    }
}

/// What ranks of one run prove to each other that they belong together: made with the first of them, the same for all that
/// follow, and kept beside what else only this user reads.
enum RunSecret {
    static func of(_ machine: JobMachine) throws(Fault) -> String {
        let folder = "\(machine.plan.folder)/run-\(machine.run)"
        let path = "\(folder)/secret"
        let kept = String(decoding: PlainFiles.read(path, limit: 256), as: UTF8.self)
        if kept.utf8.count >= 32 { return kept }
        try PlainFiles.make(folder)
        let made = SHA256Text.fresh()
        try PlainFiles.write(made, to: path)
        return made
    }
}
