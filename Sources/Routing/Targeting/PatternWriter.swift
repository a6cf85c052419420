/// Writes a pattern's tree as the steps a search follows.
struct PatternWriter {
    private var steps: [Pattern.Step] = []
    private var isTooLong = false

    /// Nil when it would be longer than a pattern may be.
    mutating func write(_ tree: PatternTree) -> [Pattern.Step]? {
        add(tree)
        emit(.match)
        return isTooLong ? nil : steps
    }

    private mutating func emit(_ step: Pattern.Step) {
        if steps.count < Pattern.stepsMax { steps.append(step) } else { isTooLong = true }
    }

    /// A step whose target is known later. Returns its place.
    private mutating func hold() -> Int {
        emit(.match)
        return steps.count - 1
    }

    private mutating func add(_ tree: PatternTree) {
        if isTooLong { return }
        switch tree {
        case .empty: break
        case .any: emit(.any)
        case .start: emit(.start)
        case .end: emit(.end)
        case .unit(let unit): emit(.unit(unit))
        case .units(let set): emit(.units(set))
        case .boundary(let wanted): emit(.boundary(wanted))
        case .sequence(let parts): for part in parts { add(part) }
        case .choice(let branches): add(choice: branches[...])
        case .times(let inner, let least, let most): add(inner, least: least, most: most)
        case .ahead(let inner, let holds):
            let place = hold()
            add(inner)
            emit(.match)
            steps[place] = .ahead(place + 1, holds: holds, next: steps.count)
        }
    }

    private mutating func add(choice branches: ArraySlice<PatternTree>) {
        if branches.count == 1 { return add(branches[branches.startIndex]) }
        let fork = hold()
        add(branches[branches.startIndex])
        let jump = hold()
        steps[fork] = .fork(fork + 1, steps.count)
        add(choice: branches.dropFirst())
        steps[jump] = .jump(steps.count)
    }

    private mutating func add(_ inner: PatternTree, least: Int, most: Int?) {
        for _ in 0..<least where !isTooLong { add(inner) }
        guard let most else {
            let fork = hold()
            add(inner)
            emit(.jump(fork))
            steps[fork] = .fork(fork + 1, steps.count)
            return
        }
        var forks: [Int] = []
        for _ in least..<most where !isTooLong {
            forks.append(hold())
            add(inner)
        }
        for fork in forks { steps[fork] = .fork(fork + 1, steps.count) }
    }
}
