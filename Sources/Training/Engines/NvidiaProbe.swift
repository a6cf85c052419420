import Faults
import Glibc
import Processes
import Synchronization
import Telemetry

/// What `nvidia-smi` says of this machine's GPUs, where there is one: asked in the background now and then, since it takes up to
/// seconds. It knows what the kernel's files do not: which GPU has fallen off the bus or counts memory errors.
final class NvidiaProbe: Sendable {
    private struct State {
        var devices: [Node.Devices]?
        var askedAt: Timestamp?
        var isAsking = false
    }
    private static let every = Duration.seconds(30)
    private static let patience = Duration.seconds(20)
    static let query = "index,name,ecc.errors.uncorrected.volatile.total"

    private let state = Mutex(State())

    /// As it was the last time; nil until it has answered once, and where it cannot be asked.
    func latest(now: Timestamp = .now()) -> [Node.Devices]? {
        let (devices, isDue) = state.withLock { state -> ([Node.Devices]?, Bool) in
            let isDue = !state.isAsking && (state.askedAt.map { now - $0 >= Self.every } ?? true)
            if isDue { (state.isAsking, state.askedAt) = (true, now) }
            return (state.devices, isDue)
        }
        if isDue, let program = Self.program {
            Task.detached {
                let answer = await Self.ask(program)
                self.state.withLock { ($0.isAsking, $0.devices) = (false, answer) }
            }
        }
        return devices
    }

    private static let places = ["/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi", "/opt/bin/nvidia-smi"]
    private static let program: String? = places.first { (path: String) in unsafe access(path, X_OK) == 0 }

    /// Nil where it fails as a whole: the kernel's files tell of the devices then.
    private static func ask(_ program: String) async -> [Node.Devices]? {
        var template = Array("/tmp/openclaw-nvidia-XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&template)
        guard descriptor >= 0 else { return nil }
        close(descriptor)
        let path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unsafe unlink(path) }
        let plan = ChildPlan(
            arguments: [program, "--query-gpu=\(query)", "--format=csv,noheader,nounits"], directory: "/",
            environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C"], outputPath: path, outputLimit: 1 << 20)
        guard let child = try? Child.start(plan) else { return nil }
        let status = await child.wait(limit: patience)
        let devices = Self.devices(in: String(decoding: PlainFiles.read(path, limit: 1 << 20), as: UTF8.self))
        // With one GPU lost it lists the others and leaves with an error.
        return status == .exited(code: 0) || !devices.isEmpty ? devices : nil
    }

    /// Reads lines of `0, NVIDIA H100 80GB HBM3, 0`. What is no number there (`[N/A]`) is no error; a line about a GPU that cannot
    /// be reached says its address and no more.
    static func devices(in text: String) -> [Node.Devices] {
        var kinds: [String: (numbers: [Int], failed: [Node.Devices.Failed])] = [:]
        var lost: [Node.Devices.Failed] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let cells = line.split(separator: ",", omittingEmptySubsequences: false).map { cell in
                String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            guard cells.count >= 3, let index = Int(cells[0]), (0..<1_024).contains(index) else {
                let words = line.split(separator: " ")
                guard let address = words.first(where: { $0.split(separator: ":").count >= 3 }),
                    line.contains("Unable to determine the device handle") || line.contains("GPU is lost")
                else { continue }
                lost.append(
                    .init(name: String(address.last == ":" ? address.dropLast() : address), why: "it does not answer its driver"))
                continue
            }
            let model = LocalInventory.model(of: cells[1])
            let errors = Int(cells[2]) ?? 0
            if cells[1].hasPrefix("[") || cells[1].hasPrefix("ERR") {
                lost.append(.init(name: "GPU \(index)", why: "its driver cannot read it"))
            } else if errors > 0 {
                kinds[model, default: ([], [])].failed.append(
                    .init(name: "GPU \(index)", why: "\(errors) uncorrected memory errors since it was reset"))
            } else {
                kinds[model, default: ([], [])].numbers.append(index)
            }
        }
        if kinds.isEmpty, !lost.isEmpty { kinds[""] = ([], []) }
        let sorted = kinds.sorted { $0.key < $1.key }
        return sorted.enumerated().map { place, kind in
            Node.Devices(
                AcceleratorKind(resource: "nvidia.com/gpu", model: kind.key), count: kind.value.numbers.count,
                numbers: kind.value.numbers.sorted(), failed: kind.value.failed + (place == 0 ? lost : []))
        }
    }
}
