import Faults

extension ExperimentMachine {
    /// One word for where it stands.
    public var stateText: String {
        switch state {
        case .planned, .attaching: "starting"
        case .running: "running"
        case .asking: "asking"
        case .detaching, .settling: "ending"
        case .makingWay, .releasing: "releasing"
        case .ended:
            switch ending?.cause {
            case .failed?: "failed"
            case _ where ending?.winner != nil && (release?.isPromoted ?? true): "promoted"
            default: "stopped"
            }
        }
    }

    public var question: String? { if case .asking(let question) = state { question } else { nil } }

    /// Why a command cannot be obeyed now; nil when it can.
    func refusal(of command: ExperimentCommand) -> Fault? {
        let name = plan.spec.name
        if case .promote(let variant) = command, plan.spec.variant(named: variant) == nil {
            let known = plan.spec.variants.map(\.name)
            return Fault(
                .notFound, what: "Experiment \(name) has no variant '\(variant)'.", why: "It has \(known.joined(separator: ", ")).",
                fix: didYouMean(variant, among: known) ?? "Name one of them.")
        }
        switch state {
        case .running, .asking: return nil
        case .planned, .attaching:
            if case .stop = command { return nil }
            return Fault(
                .conflict, what: "\(name) is only beginning.", why: "It is not on its route yet.", fix: "Try again in a moment.")
        case .detaching, .settling, .makingWay, .releasing:
            return Fault(
                .conflict, what: "\(name) is ending already.", why: ending?.text ?? "It was decided.",
                fix: "openclaw experiment status \(name) shows how far it is.")
        case .ended:
            return Fault(
                .conflict, what: "\(name) has ended.", why: ending?.text ?? "It was decided.",
                fix: "Start another: openclaw experiment apply FILE")
        }
    }
}
