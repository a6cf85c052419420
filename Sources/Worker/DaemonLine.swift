import Faults
import Glibc
import RPC
import Telemetry

/// The Worker's stream to the daemon, opened again whenever it ends.
struct DaemonLine: Sendable {
    let plan: WorkerPlan
    let reports: ReportQueue
    let register: Register
    /// Hears every order, in order.
    let hear: @Sendable (Order) async -> Void

    private static let pauseMax = Duration.seconds(2)

    /// Runs until its task is cancelled, or the daemon disowns this Worker.
    func attend() async throws(Fault) {
        let channel = try RPCChannel(to: plan.daemon, as: plan.identity)
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            let call = channel.call(Order.method, metadata: [("authorization", "Bearer \(plan.token)")])
            let wasWelcome = await converse(call)
            reports.close()
            call.cancel()
            let status = await call.status()
            if [.unauthenticated, .permissionDenied].contains(status.code) {
                throw Fault(
                    .forbidden, what: "The daemon does not want this Worker.", why: status.message,
                    fix: "Its job has ended or was started again.")
            }
            if wasWelcome { pause = .milliseconds(100) }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, DaemonLine.pauseMax)
        }
    }

    /// True when the daemon answered.
    private func converse(_ call: RPCCall) async -> Bool {
        var first = Report()
        (first.register, first.at) = (register, Timestamp.now().milliseconds)
        guard await call.send(first.bytes), let bytes = await call.receive(), let answer = Order(bytes: bytes),
            let welcome = answer.welcome
        else { return false }
        reports.reopen(after: welcome.acknowledged)
        await hear(answer)
        let sending = Task {
            while case let batch = await reports.next(), !batch.isEmpty {
                for report in batch { if await !call.send(report.bytes) { return } }
            }
        }
        while let bytes = await call.receive() {
            guard let order = Order(bytes: bytes) else { continue }
            if order.ack > 0 { reports.acknowledge(order.ack) }
            await hear(order)
        }
        reports.close()
        sending.cancel()
        await sending.value
        return true
    }
}
