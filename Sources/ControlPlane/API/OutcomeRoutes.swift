import Faults
import Gateway
import JSON
import Outcomes

/// `/api/v1/outcomes`, `/api/v1/feedback`: what live traffic did, and what happened afterwards.
enum OutcomeRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/outcomes", .scope(.read), "Live figures per route and variant, and what was joined to them",
            gives: .object(["traffic": .any("Per route and variant"), "outcomes": .any("Counts of exposures and feedback")])
        ) { call throws(Fault) in
            let counters = await (try call.services).outcomes.counters()
            return .json(["traffic": await call.daemon.gateway?.metrics() ?? .null, "outcomes": counters])
        },
        Endpoint(
            .post, "/api/v1/feedback", .scope(.feedback), "Feedback on answers that live traffic got; one or many",
            takes: .either(
                FeedbackDoor.event,
                .array(of: .any("An event as above; each is read on its own, so that a mistake in one does not lose the others"))),
            gives: FeedbackDoor.answer
        ) { call throws(Fault) in try await FeedbackDoor.feed(call.body, to: call.services) },
    ]
}
