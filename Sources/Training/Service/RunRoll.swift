import Worker

/// Where the meshes of one run's ranks listen, as they said themselves: told again by every Worker that connects again.
struct RunRoll: Sendable {
    private struct Entry {
        var life: Int
        var mesh: Mesh?
    }
    private var entries: [Int: Entry] = [:]

    mutating func hear(_ report: Report, slot: Int, life: Int) {
        var entry = entries[slot] ?? Entry(life: life)
        if entry.life != life { entry = Entry(life: life) }
        entry.mesh = report.mesh ?? entry.mesh
        entries[slot] = entry
    }

    func mesh(of slot: Int, life: Int) -> Mesh? { entries[slot].flatMap { $0.life == life ? $0.mesh : nil } }

    func isComplete(for machine: JobMachine) -> Bool {
        machine.ranks.indices.allSatisfy { mesh(of: $0, life: machine.ranks[$0].life) != nil }
    }

    /// Whether it is known of everybody who has met the others where they are.
    func knowsAll(who machine: JobMachine) -> Bool {
        machine.ranks.indices.allSatisfy { slot in
            let rank = machine.ranks[slot]
            return rank.isGone || !rank.hasMet || mesh(of: slot, life: rank.life) != nil
        }
    }

    func membership(of machine: JobMachine) -> Membership {
        var membership = Membership()
        membership.epoch = Int64(machine.epoch)
        // New ranks are told of when all of them can be met.
        let come = machine.ranks.allSatisfy { !$0.isNew || $0.hasMet }
        membership.members = machine.ranks.enumerated().filter { !$1.isOut && (!$1.isNew || come) }.map { slot, rank in
            var member = Member()
            member.slot = Int32(slot)
            let mesh = mesh(of: slot, life: rank.life)
            let isThere = !rank.isGone && rank.hasMet && mesh != nil
            (member.address, member.host, member.peer) =
                isThere ? (mesh?.address ?? "", mesh?.host ?? "", mesh?.peer ?? "") : ("", "", "")
            member.state =
                !isThere ? "gone" : rank.state == .joining ? "joining" : rank.state == .leaving ? "leaving" : "live"
            return member
        }
        membership.world = Int32(membership.members.count { machine.ranks[Int($0.slot)].state != .leaving })
        return membership
    }
}
