import Statistics
import Testing

@Suite struct DrawLatticeTests {
    @Test func `along each arm every value comes once`() {
        let lattice = DrawLattice(arms: 20, seed: 7)
        for arm in 0..<20 {
            #expect(Set((0..<lattice.count).map { lattice.rank(draw: $0, arm: arm) }).count == 10_000)
        }
    }

    @Test func `any two arms fill the square evenly`() {
        let lattice = DrawLattice(arms: 12, seed: 3)
        for first in 0..<12 {
            for second in 0..<first {
                var cells = Array(repeating: 0, count: 100)
                for draw in 0..<lattice.count {
                    cells[lattice.rank(draw: draw, arm: first) / 1_000 * 10 + lattice.rank(draw: draw, arm: second) / 1_000] += 1
                }
                // Random points would miss 100 by 10 in the mean, and by 25 somewhere.
                #expect(cells.allSatisfy { abs($0 - 100) <= 12 }, "arms \(second) and \(first): \(cells.min()!) to \(cells.max()!)")
            }
        }
    }

    @Test func `an arm added later changes no other's points`() {
        let (few, many) = (DrawLattice(arms: 3, seed: 9), DrawLattice(arms: 40, seed: 9))
        for draw in stride(from: 0, to: 10_000, by: 37) {
            for arm in 0..<3 { #expect(few.rank(draw: draw, arm: arm) == many.rank(draw: draw, arm: arm)) }
        }
    }
}
