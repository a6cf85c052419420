internal import CCollectives
import Glibc

/// How the mesh of an epoch comes to be: the higher slot calls the lower one; then the ranks of a host take up shared memory.
@safe struct MeshBuilding {
    let membership: Membership
    let topology: Topology
    let slot: Int32
    let doorway: Doorway
    let interrupt: OpaquePointer
    let meter: OpaquePointer
    let deadline: Int64?
    let digest: [UInt8]

    private var controls: [Int: Wire] = [:]
    private var data: [Int: Wire] = [:]
    private var dials: [Dial] = []
    /// What came on a control connection before it was asked for.
    private var messages: [Int: [ControlMessage]] = [:]

    init(
        membership: Membership, slot: Int32, doorway: Doorway, interrupt: OpaquePointer, meter: OpaquePointer, deadline: Int64?
    ) {
        (self.membership, self.slot, self.doorway) = (membership, slot, doorway)
        unsafe (self.interrupt, self.meter, self.deadline) = (interrupt, meter, deadline)
        topology = Topology(membership, slot: slot)
        digest = membership.digest(secret: doorway.secret)
    }

    /// The mesh, when all members are there. What was opened for nothing is closed, and the others told.
    mutating func build() throws(CollectiveFailure) -> Mesh {
        do {
            try connect()
            return try furnish()
        } catch {
            let ended = ControlMessage(
                .ended, epoch: membership.epoch, code: error.reason.rawValue, slot: error.slot ?? slot, text: error.text)
            for arrival in doorway.expectNobody() { keep(arrival.wire, arrival.purpose, membership.place(of: arrival.slot) ?? -1) }
            for wire in controls.values {
                _ = wire.write(ended.bytes)
                wire.close()
            }
            for wire in data.values { wire.close() }
            for dial in dials { dial.close() }
            throw error
        }
    }

    private var others: [Int] { membership.members.indices.filter { membership.members[$0].slot != slot } }
    private func slot(at place: Int) -> Int32 { membership.members[place].slot }

    // MARK: connections

    private mutating func connect() throws(CollectiveFailure) {
        doorway.expect(membership.epoch, membership: digest)
        for place in others where slot(at: place) < slot {
            dials.append(try dial(place, .control))
            if topology.carriesData(to: place) { dials.append(try dial(place, .data)) }
        }
        while !missing.isEmpty {
            for index in dials.indices { try dials[index].begin(at: Stopwatch.now) }
            try look(at: dials.compactMap(\.interest))
            try greetArrivals()
            try advanceDials()
        }
    }

    private func dial(_ place: Int, _ purpose: Greeting.Purpose) throws(CollectiveFailure) -> Dial {
        let greeting = Greeting(
            epoch: membership.epoch, from: slot, to: slot(at: place), purpose: purpose, membership: digest,
            nonce: try Proof.random(16))
        return Dial(place: place, member: membership.members[place], greeting: greeting, secret: doorway.secret)
    }

    /// The places whose connections are not there.
    private var missing: [Int] {
        others.filter { controls[$0] == nil || topology.carriesData(to: $0) && data[$0] == nil }
    }

    private mutating func greetArrivals() throws(CollectiveFailure) {
        for arrival in doorway.takeArrivals() {
            guard let place = membership.place(of: arrival.slot), arrival.slot > slot else {
                arrival.wire.close()
                continue
            }
            keep(arrival.wire, arrival.purpose, place)
        }
    }

    private mutating func keep(_ wire: Wire, _ purpose: Greeting.Purpose, _ place: Int) {
        switch purpose {
        // Who came twice gave the first connection up.
        case .control:
            claw_tune_control(wire.descriptor)
            controls.updateValue(wire, forKey: place)?.close()
        case .data: data.updateValue(wire, forKey: place)?.close()
        }
    }

    private mutating func advanceDials() throws(CollectiveFailure) {
        for index in dials.indices.reversed() {
            guard let wire = try dials[index].advance() else { continue }
            let dial = dials.remove(at: index)
            keep(wire, dial.greeting.purpose, dial.place)
        }
    }

    /// Waits until something may have changed; throws when the epoch ended meanwhile, or the time is over.
    private mutating func look(at interests: [(descriptor: Int32, writing: Bool)]) throws(CollectiveFailure) {
        if unsafe claw_interrupt_code(interrupt) != 0 { throw ended }
        if let deadline, deadline <= Stopwatch.now { throw late }
        var readiness = Readiness()
        unsafe readiness.add(claw_interrupt_descriptor(interrupt))
        readiness.add(doorway.arrived)
        for interest in interests { readiness.add(interest.descriptor, writing: interest.writing) }
        let places = controls.keys.sorted()
        let heard = places.map { readiness.add(controls[$0]?.descriptor ?? -1) }
        readiness.wait(milliseconds: Stopwatch.milliseconds(until: deadline, limit: 20))
        for (index, place) in zip(heard, places) where readiness.isReady(index) { try hear(from: place) }
    }

    private var ended: CollectiveFailure {
        var failure = claw_failure()
        unsafe _ = claw_interrupt_failure(interrupt, &failure)
        return CollectiveFailure(failure)
    }

    private var late: CollectiveFailure {
        let slots = missing.map { String(slot(at: $0)) }
        let text =
            slots.isEmpty
            ? "the host's shared memory was not ready in time" : "slots \(slots.joined(separator: ", ")) did not come in time"
        return CollectiveFailure(.timedOut, slot: missing.count == 1 ? slot(at: missing[0]) : nil, text)
    }

    private mutating func hear(from place: Int) throws(CollectiveFailure) {
        guard var wire = controls[place] else { return }
        let slot = slot(at: place)
        switch wire.read(ControlMessage.count) {
        case .partial: controls[place] = wire
        case .ended: throw CollectiveFailure(.peerDead, slot: slot, "slot \(slot) died while the mesh was built")
        case .whole(let bytes):
            controls[place] = wire
            guard let message = ControlMessage(bytes) else {
                throw CollectiveFailure(.corrupted, slot: slot, "slot \(slot) sent what is no message")
            }
            if let failure = message.failure(from: slot) { throw failure }
            if message.kind == .goodbye { throw CollectiveFailure(.peerDead, slot: slot, "slot \(slot) has left the group") }
            messages[place, default: []].append(message)
        }
    }

    // MARK: shared memory

    /// Puts the mesh together from what was connected.
    private mutating func furnish() throws(CollectiveFailure) -> Mesh {
        let region = topology.isShared ? unsafe try memory() : nil
        guard let mesh = unsafe claw_mesh_create(membership.epoch, slot, interrupt, meter) else {
            if let region = unsafe region { unsafe claw_region_destroy(region) }
            throw CollectiveFailure(.failed, "no memory for the mesh")
        }
        if let region = unsafe region {
            let places = topology.hosts[topology.host]
            unsafe claw_mesh_set_region(
                mesh, region, places.map { slot(at: $0) }, places.map { Int32($0) }, Int32(places.count))
        }
        if topology.isRemote, topology.isFirst {
            guard unsafe claw_mesh_set_hosts(mesh, Int32(topology.hosts.count), Int32(topology.host)) else {
                unsafe claw_mesh_destroy(mesh)
                throw CollectiveFailure(.failed, "no memory for the mesh")
            }
            for (host, places) in topology.hosts.enumerated() where host != topology.host {
                if let wire = data[places[0]] {
                    unsafe claw_mesh_set_link(mesh, Int32(host), wire.descriptor, slot(at: places[0]))
                }
            }
        }
        data = [:]
        return unsafe Mesh(
            membership: membership, topology: topology, slot: slot, controls: controls.mapValues(\.descriptor), mesh: mesh,
            interrupt: interrupt)
    }

    private mutating func memory() throws(CollectiveFailure) -> OpaquePointer {
        let places = topology.hosts[topology.host]
        return topology.isFirst ? unsafe try offerMemory(to: places) : unsafe try takeMemory(from: places)
    }

    private mutating func offerMemory(to places: [Int]) throws(CollectiveFailure) -> OpaquePointer {
        var reader = ByteReader(try Proof.random(8))
        let nonce = reader.take(UInt64.self)
        var failure = claw_failure()
        guard let region = unsafe claw_region_create(Int32(places.count), nonce, &failure) else {
            throw CollectiveFailure(failure)
        }
        do {
            let offered =
                UInt64(UInt32(bitPattern: getpid())) << 32 | UInt64(UInt32(bitPattern: unsafe claw_region_descriptor(region)))
            let message = ControlMessage(.memory, epoch: membership.epoch, first: offered, second: nonce)
            for place in places.dropFirst() { _ = controls[place]?.write(message.bytes) }
            for place in places.dropFirst() { _ = try self.message(from: place, .attached) }
        } catch {
            unsafe claw_region_destroy(region)
            throw error
        }
        unsafe claw_region_seal(region)
        return unsafe region
    }

    private mutating func takeMemory(from places: [Int]) throws(CollectiveFailure) -> OpaquePointer {
        let offer = try self.message(from: places[0], .memory)
        var failure = claw_failure()
        let region = unsafe claw_region_attach(
            Int32(truncatingIfNeeded: offer.first >> 32), Int32(truncatingIfNeeded: offer.first), Int32(places.count),
            Int32(topology.local), offer.second, &failure)
        guard let region = unsafe region else {
            var failure = CollectiveFailure(failure)
            failure.text += "; ranks that cannot share memory need different hosts in the membership (OPENCLAW_HOST)"
            throw failure
        }
        _ = controls[places[0]]?.write(ControlMessage(.attached, epoch: membership.epoch).bytes)
        return unsafe region
    }

    private mutating func message(
        from place: Int, _ kind: ControlMessage.Kind
    ) throws(CollectiveFailure) -> ControlMessage {
        while true {
            if let index = messages[place]?.firstIndex(where: { $0.kind == kind }), let found = messages[place]?.remove(at: index) {
                return found
            }
            try look(at: [])
        }
    }
}
