import Conducting
import Faults
import JSON
import Ledger
import Registry
import Routing
import Telemetry

extension ReleaseService {
    /// As long as a release waits for its route, somebody looks whether it is free.
    func keepQueueMoving() {
        guard queueWatch == nil, !isDraining else { return }
        queueWatch = Task {
            while !Task.isCancelled, await callNext() { try? await Task.sleep(for: .milliseconds(100)) }
            queueWatch = nil
        }
    }

    /// Tells the longest waiting release of each free route. False when none waits.
    private func callNext() async -> Bool {
        var waiting: [String: (applied: Position, conductor: Conductor<ReleaseMachine>)] = [:]
        for (conductor, chronicle) in await conductors.latest() {
            guard chronicle.hindrance == nil, let machine = chronicle.machine, machine.awaitsRoute || machine.state == .claiming,
                let route = machine.plan.route
            else {
                continue
            }
            if waiting[route].map({ chronicle.appliedAt < $0.applied }) ?? true {
                waiting[route] = (chronicle.appliedAt, conductor)
            }
        }
        for (route, next) in waiting {
            guard await routes.holder(of: route) == nil, await next.conductor.machine?.awaitsRoute == true else { continue }
            try? await next.conductor.tell(.routeFree, by: "conductor")
        }
        return !waiting.isEmpty
    }

    /// The version before answers nothing any more: its server may stop, unless something still needs it.
    func retirePrevious(of call: ReleaseCall) async throws(Fault) {
        guard let (conductor, name) = previous(of: call) else { return }
        if let route = call.machine.plan.route, let previous = call.machine.baseline?.previous {
            if await routes.route(route)?.sharesByName[previous, default: 0] != 0 { return }
            let version = VersionID(model: call.machine.plan.version.model, version: previous)
            for other in await routes.routes() where other.answers(with: version) { return }
            for other in await conductors.machines()
            where !other.isOver && other.baseline?.previous == previous && other.plan.name != call.release {
                return
            }
        }
        guard await conductor.machine?.isOver == true else { return }
        Log("release").info("stops a server that answers nothing any more", ["release": .string(name)])
        try await conductor.tell(.retired(by: call.release), by: CanaryStage.owner(call.release))
    }

    /// Returns when the version before answers again.
    func revivePrevious(of call: ReleaseCall) async throws(Fault) {
        guard let (conductor, name) = previous(of: call) else { return }
        try await conductor.tell(.revived(by: call.release), by: CanaryStage.owner(call.release))
        let deadline = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < deadline, !Task.isCancelled {
            guard let machine = await conductor.machine else { return }
            if machine.deployment != nil, !machine.intents.contains(where: { $0.effect == .start }) { return }
            try? await Task.sleep(for: .milliseconds(20))
        }
        throw Fault(
            .unavailable, what: "\(name) does not come up again.", why: "Its server is not ready after 120 s.",
            fix: "See why: openclaw release explain \(name)")
    }

    private func previous(of call: ReleaseCall) -> (Conductor<ReleaseMachine>, String)? {
        guard let previous = call.machine.baseline?.previous else { return nil }
        let name = "\(call.machine.plan.version.model)-\(previous)"
        return conductors[name].map { ($0, name) }
    }
}
