/// A gang, with what placing it looks up in a cluster: which kinds of device it may have, and where the room for each is counted
/// along. It holds for the cluster that it was made with and whatever that becomes, but not for one that counts otherwise.
struct GangLook: Sendable {
    let gang: Gang
    let choices: [Placement.Devices?]
    /// By choice: of the cluster's indexes; nil where it keeps none for it.
    let numbers: [Int?]
    /// The cluster keeps count for all of them: to ask is cheap.
    let isCounted: Bool

    init(_ gang: Gang, on cluster: Cluster) {
        self.gang = gang
        choices = cluster.choices(for: gang)
        numbers = choices.map { cluster.indexOf[RoomProfile(gang, $0)] }
        isCounted = numbers.allSatisfy { $0 != nil }
    }
}

extension Cluster {
    /// By choice.
    func indexes(for look: GangLook) -> [RoomIndex] {
        zip(look.numbers, look.choices).map { number, choice in
            number.map { indexes[$0] } ?? RoomIndex(RoomProfile(look.gang, choice), on: self)
        }
    }

    /// Where the ranks go; nil where there is no room, without a word about why.
    func placement(of look: GangLook) -> Placement? {
        let gang = look.gang
        if look.isCounted, !holds(look) { return nil }
        let indexes = indexes(for: look)
        for ranks in gang.ranks.reversed() {
            for index in indexes {
                if let seats = index.seats(for: ranks, gang.spread) {
                    return Placement(seats: seats, each: gang.each, seen: version)
                }
            }
        }
        return nil
    }

    /// Whether a gang has a place now.
    func holds(_ look: GangLook) -> Bool {
        let (ranks, spread) = (look.gang.ranks, look.gang.spread)
        for place in look.choices.indices {
            if let number = look.numbers[place] {
                if indexes[number].holds(ranks, spread) { return true }
            } else if RoomIndex(RoomProfile(look.gang, look.choices[place]), on: self).holds(ranks, spread) {
                return true
            }
        }
        return false
    }
}
