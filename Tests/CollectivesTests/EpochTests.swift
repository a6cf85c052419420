import CCollectives
import Glibc
import Synchronization
import Testing

@testable import Collectives

@Suite(.serialized) struct EpochTests {
    private func reduce(_ group: CollectiveGroup, count: Int = 1_000) throws(CollectiveFailure) -> [Float] {
        let buffer = Buffer([Float](repeating: 1, count: count))
        try group.allReduce(buffer, count: count)
        return buffer.values(Float.self, count: count)
    }

    /// All ranks give 1, so their sum is how many they are.
    private func sums(_ group: CollectiveGroup, to count: Float) throws(CollectiveFailure) {
        let values = try reduce(group)
        #expect(values.allSatisfy { $0 == count })
    }

    @Test(arguments: [[0, 0, 0], [0, 1, 2], [0, 0, 1]])
    func `an abort from another thread ends all waits, and the next epoch goes on without the dead`(hosts: [Int]) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        // Slot 2 never comes: the others wait until somebody tells of its death.
        let watcher = try Collectives.Thread {
            while ranks.groups[0].statistics.waitingFor == nil { usleep(1_000) }
            try? ranks.groups[0].abort(slot: 2, why: "its process was killed")
        }
        let ends = ranks.run([0, 1]) { group throws(CollectiveFailure) in _ = try reduce(group) }
        watcher.join()
        #expect(ends.allSatisfy { $0?.reason == .peerDead && $0?.slot == 2 }, "\(ends)")
        #expect(ranks.groups[0].membershipState.failure?.text == "slot 2 is dead: its process was killed")
        // It stays ended until there is a new membership.
        #expect(ranks.run([0]) { group throws(CollectiveFailure) in _ = try reduce(group) }[0]?.reason == .peerDead)
        try ranks.configure(epoch: 2, slots: [0, 1])
        let after = ranks.run([0, 1]) { group throws(CollectiveFailure) in
            try sums(group, to: 2)
        }
        #expect(after.allSatisfy { $0 == nil }, "\(after)")
        // And the replacement takes its slot.
        try ranks.configure(epoch: 3)
        let whole = ranks.run { group throws(CollectiveFailure) in try sums(group, to: 3) }
        #expect(whole.allSatisfy { $0 == nil }, "\(whole)")
    }

    @Test(arguments: [[0, 0, 0], [0, 1, 2]])
    func `who leaves in good order ends only what needs it`(hosts: [Int]) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        let ends = ranks.run { group throws(CollectiveFailure) in
            _ = try reduce(group)
            if group.slot == 2 { return group.close() }
            _ = try reduce(group)
        }
        #expect(ends[2] == nil)
        #expect(ends[0]?.reason == .peerDead && ends[1]?.reason == .peerDead, "\(ends)")
    }

    @Test(arguments: [[0, 0, 0], [0, 1, 2]])
    func `who went on to a later epoch is not taken for dead, and who did not is refused`(hosts: [Int]) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        try ranks.configure(epoch: 7, slots: [0, 1])
        let late = ranks.run([2]) { group throws(CollectiveFailure) in _ = try reduce(group) }
        #expect(late[0]?.reason == .staleEpoch && late[0]?.epoch == 7, "\(late)")
        let old = try Membership(epoch: 3, members: ranks.members)
        let refused = ranks.run([2]) { group throws(CollectiveFailure) in
            try group.configure(old, seconds: Ranks.patience)
        }
        #expect(refused[0]?.reason == .staleEpoch && refused[0]?.epoch == 7, "\(refused)")
        let back = ranks.run([0]) { group throws(CollectiveFailure) in try group.configure(old, seconds: 1) }
        #expect(back[0]?.reason == .staleEpoch, "\(back)")
        // Those in the later epoch did not notice.
        let on = ranks.run([0, 1]) { group throws(CollectiveFailure) in try sums(group, to: 2) }
        #expect(on.allSatisfy { $0 == nil }, "\(on)")
    }

    @Test(arguments: [[0, 0], [0, 1]])
    func `who calls something else is told, and nobody waits for ever`(hosts: [Int]) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        let ends = ranks.run { group throws(CollectiveFailure) in _ = try reduce(group, count: 50_000 + Int(group.slot)) }
        #expect(ends.allSatisfy { $0 != nil } && ends.contains { $0?.reason == .mismatch }, "\(ends)")
    }

    @Test func `a stranger without the secret joins nothing, and disturbs nobody`() throws {
        let ranks = try Ranks(hosts: [0, 1], secrets: [1: "another secret, just as long"])
        defer { ranks.close() }
        let membership = try Membership(epoch: 1, members: ranks.members)
        let ends = ranks.run { group throws(CollectiveFailure) in try group.configure(membership, seconds: 1) }
        #expect(ends[1]?.reason == .refused, "\(ends)")
        #expect(ends[0]?.reason == .timedOut && ends[0]?.slot == 1, "\(ends)")
    }

    @Test func `noise at the door ends nothing`() throws {
        let ranks = try Ranks.joined(hosts: [0, 1])
        defer { ranks.close() }
        for noise in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", String(repeating: "x", count: 5_000)] {
            var failure = claw_failure()
            let descriptor = unsafe claw_connect("127.0.0.1", ranks.groups[0].address.port, &failure)
            #expect(descriptor >= 0)
            var readiness = Readiness()
            readiness.add(descriptor, writing: true)
            readiness.wait(milliseconds: 1_000)
            _ = Wire(descriptor: descriptor).write(Array(noise.utf8))
            claw_close(descriptor)
        }
        let ends = ranks.run { group throws(CollectiveFailure) in try sums(group, to: 2) }
        #expect(ends.allSatisfy { $0 == nil }, "\(ends)")
    }

    @Test func `two who were told of different members do not form one mesh`() throws {
        let ranks = try Ranks(hosts: [0, 1])
        defer { ranks.close() }
        let one = try Membership(epoch: 1, members: ranks.members)
        var other = ranks.members
        other[0].host = "elsewhere"
        let told = try Membership(epoch: 1, members: other)
        let ends = ranks.run { group throws(CollectiveFailure) in
            try group.configure(group.slot == 0 ? one : told, seconds: 1)
        }
        #expect(ends[1]?.reason == .mismatch && ends[0] != nil, "\(ends)")
    }

    @Test(arguments: [[0, 0], [0, 1]])
    func `a wait that is too long names who was waited for`(hosts: [Int]) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        ranks.groups[0].setTimeout(seconds: 0.05)
        let ends = ranks.run([0]) { group throws(CollectiveFailure) in _ = try reduce(group) }
        #expect(ends[0]?.reason == .timedOut && ends[0]?.slot == 1, "\(ends)")
        // Who was late learns that it is over, unless all it needed was there already.
        let late = ranks.run([1]) { group throws(CollectiveFailure) in _ = try reduce(group) }
        #expect(late[0] == nil || late[0]?.reason == .timedOut, "\(late)")
    }

    @Test func `an abort ends a membership that is being waited for`() throws {
        let ranks = try Ranks(hosts: [0, 1])
        defer { ranks.close() }
        let membership = try Membership(epoch: 1, members: ranks.members)
        let done = Mutex(false)
        let ended = try Collectives.Thread {
            while !done.withLock({ $0 }) {
                try? ranks.groups[0].abort(slot: 1, why: "")
                usleep(1_000)
            }
        }
        let ends = ranks.run([0]) { group throws(CollectiveFailure) in try group.configure(membership) }
        done.withLock { $0 = true }
        ended.join()
        #expect(ends[0]?.reason == .peerDead && ends[0]?.slot == 1, "\(ends)")
        // The same epoch may be tried again: nobody was in it.
        try ranks.configure(epoch: 1)
    }

    @Test func `what cannot be is refused with its reason`() throws {
        func reason(_ body: () throws(CollectiveFailure) -> Void) -> CollectiveFailure.Reason? {
            do {
                try body()
                return nil
            } catch { return error.reason }
        }
        let here = MeshAddress(host: "127.0.0.1", port: 0)
        func member(_ slot: Int32, host: String = "h") -> Member { Member(slot: slot, address: here, host: host) }
        #expect(reason { () throws(CollectiveFailure) in _ = try Membership(epoch: 0, members: [member(0)]) } == .badArgument)
        #expect(reason { () throws(CollectiveFailure) in _ = try Membership(epoch: 1, members: []) } == .badArgument)
        #expect(
            reason { () throws(CollectiveFailure) in _ = try Membership(epoch: 1, members: [member(3), member(3)]) } == .badArgument
        )
        #expect(
            reason { () throws(CollectiveFailure) in _ = try Membership(epoch: 1, members: [member(0, host: "")]) } == .badArgument)
        #expect(
            reason { () throws(CollectiveFailure) in
                _ = try Membership(epoch: 1, members: (0...256).map { member($0) })
            } == .limitReached)
        #expect(
            reason { () throws(CollectiveFailure) in
                _ = try CollectiveGroup(slot: 0, listen: MeshAddress(host: "0.0.0.0", port: 0), secret: nil)
            } == .refused)
        #expect(
            reason { () throws(CollectiveFailure) in _ = try CollectiveGroup(slot: 0, listen: here, secret: "short") }
                == .badArgument)
        let group = try CollectiveGroup(slot: 0, listen: here, secret: nil)
        defer { group.close() }
        #expect(reason { () throws(CollectiveFailure) in try group.run(.barrier()) } == .notConfigured)
        try group.configure(Membership(epoch: 1, members: [member(0)]))
        let buffer = Buffer([1, 2, 3] as [Int32])
        #expect(reason { () throws(CollectiveFailure) in try group.allReduce(buffer, count: 3, .int32, .average) } == .badArgument)
        #expect(
            reason { () throws(CollectiveFailure) in try group.run(unsafe .broadcast(buffer.pointer, bytes: 12, root: 5)) }
                == .badArgument)
        // What was refused ended nothing.
        try group.allReduce(buffer, count: 3, .int32)
        #expect(buffer.values(Int32.self, count: 3) == [1, 2, 3])
        #expect(MeshAddress("[::1]:7")?.text == "[::1]:7" && MeshAddress("nowhere") == nil && MeshAddress("h:99999") == nil)
    }
}
