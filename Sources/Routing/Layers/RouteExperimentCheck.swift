import Faults

/// What makes an experiment impossible to carry, said before anything changes.
extension RouteExperimentSpec {
    func check() throws(Fault) {
        guard RouteSpec.isName(name) else { throw refused("'\(name)' cannot be its name", "names stand in headers and commands") }
        guard (1...RouteExperimentSpec.variantsMax).contains(variants.count) else {
            throw refused("it has \(variants.count) variants", "an experiment has 1 to \(RouteExperimentSpec.variantsMax)")
        }
        var names: Set<String> = []
        for variant in variants {
            guard RouteSpec.isName(variant.name) else {
                throw refused("'\(variant.name)' cannot be a variant's name", "names stand in headers and commands")
            }
            guard names.insert(variant.name).inserted else {
                throw refused("it has two variants named \(variant.name)", "a name stands for one")
            }
        }
        let sum = variants.map(\.basisPoints).reduce(0, +)
        guard sum == TrafficSplit.bucketCount, variants.allSatisfy({ $0.basisPoints >= 0 }) else {
            throw refused("the shares of its variants sum to \(Share.text(sum))", "every unit needs exactly one of them")
        }
        for (unit, variant) in overrides.sorted(by: { $0.key < $1.key }) where !names.contains(variant) {
            throw refused(
                "the override of unit '\(unit)' names variant '\(variant)'", "it has \(names.sorted().joined(separator: ", "))")
        }
        guard overrides.count <= RouteExperimentSpec.overridesMax else {
            throw refused("it has \(overrides.count) overrides", "the limit is \(RouteExperimentSpec.overridesMax)")
        }
        if let scorer {
            guard scorer.arms.count == variants.count else {
                throw refused("its scorer has \(scorer.arms.count) arms", "it has \(variants.count) variants")
            }
            guard stickiness == .share, hashing == .buckets else {
                throw refused(
                    "a contextual choice cannot keep its units or hash as GrowthBook does",
                    "it depends on what describes each request: use `sticky: share` and our own hashing")
            }
        }
        try checkAudience()
        try checkHashing()
    }

    private func checkAudience() throws(Fault) {
        if let namespace = audience.namespace {
            guard namespace.isRange, !namespace.name.isEmpty, namespace.name.utf8.count <= 128 else {
                throw refused(
                    "its namespace '\(namespace.name)' from \(namespace.lower) to \(namespace.upper) holds nobody",
                    "a namespace has a name, and a range within 0 to 10 000 basis points")
            }
        }
        guard (0...TrafficSplit.bucketCount).contains(audience.coverage) else {
            throw refused("its coverage is \(audience.coverage) basis points", "all units are 10 000")
        }
        guard let condition = audience.condition else { return }
        if let complaint = condition.complaint { throw refused("its condition cannot be understood", complaint) }
        if condition.attributeNames.contains("id"), audience.attributes["id"] == nil, case .clientAddress = unit {
            throw refused(
                "its condition asks for id", "a client's address is hashed, and its text is not kept: use another attribute")
        }
        let missing = condition.attributeNames.subtracting(audience.attributes.keys).subtracting(["id"]).sorted()
        guard missing.isEmpty else {
            throw refused(
                "its condition asks for \(missing.joined(separator: ", "))",
                "the experiment does not say where \(missing.count == 1 ? "that attribute comes" : "these attributes come") from: name a header:, cookie:, json: or token: source for each under `attributes`"
            )
        }
    }

    private func checkHashing() throws(Fault) {
        guard case .growthBook(let version, let seed) = hashing else { return }
        guard version == 1 || version == 2, !seed.isEmpty, seed.utf8.count <= 256 else {
            throw refused("its hashing cannot be used", "GrowthBook's hash has versions 1 and 2, and a seed of 1 to 256 bytes")
        }
        if case .clientAddress = unit {
            throw refused(
                "a client's address cannot be hashed as GrowthBook does",
                "that hash takes the unit's text: use a header, cookie or JSON field"
            )
        }
    }

    private func refused(_ what: String, _ why: String) -> Fault {
        Fault(
            .badConfiguration, what: "Experiment \(name) cannot run: \(what).",
            why: why.prefix(1).uppercased() + why.dropFirst() + ".",
            fix: "Correct it and apply it again; nothing was changed.")
    }
}

extension RouteRecord {
    /// Two experiments meet on one route only where no unit can belong to both.
    func refuseOverlap(_ spec: RouteExperimentSpec) throws(Fault) {
        for other in route.experiments {
            guard let why = RouteRecord.overlap(spec, other) else { continue }
            throw Fault(
                .conflict, what: "Experiment \(spec.name) cannot share route \(route.name) with experiment \(other.name).",
                why: "\(why), so that one unit could be in both.",
                fix: "Give both the same unit and disjoint ranges of one namespace, or wait until \(other.name) ends.")
        }
    }

    private static func overlap(_ spec: RouteExperimentSpec, _ other: RouteExperiment) -> String? {
        guard let mine = spec.audience.namespace, let theirs = other.audience.namespace else {
            return "\(spec.audience.namespace == nil ? spec.name : other.name) has no namespace"
        }
        if mine.name != theirs.name { return "Their namespaces \(mine.name) and \(theirs.name) are drawn independently" }
        if mine.overlaps(theirs) { return "Their ranges of namespace \(mine.name) overlap" }
        if spec.unit != other.unit { return "Their units differ (\(spec.unit.text), \(other.unit.text))" }
        if spec.hashing.isPublic != other.hashing.isPublic { return "They hash units in different ways" }
        return nil
    }
}

extension RouteExperiment.Hashing {
    var isPublic: Bool { if case .growthBook = self { true } else { false } }
}
