import HTTP
import JSON
import Outcomes
import Routing
import Sockets
import Statistics
import Synchronization
import TestFolders
import TestSockets
import Testing

@testable import Gateway

/// Experiments in the request path, and remote evaluation beside it.
@Suite struct ExperimentTests {
    /// A route with base variants 0 and 1 and the experiments given.
    private func route(_ experiments: [RouteExperiment], port: Int = 1) -> Route {
        var variants = (0..<2).map {
            Variant(id: VariantID(UInt8($0)), name: "base\($0)", url: "http://127.0.0.1:\(port)/base\($0)")
        }
        for experiment in experiments {
            for (index, arm) in experiment.variants.enumerated() {
                variants.append(
                    Variant(
                        id: arm, name: index == 0 ? "control" : "arm\(index)", url: "http://127.0.0.1:\(port)/arm",
                        experiment: experiment.name, value: index == 1 ? ["model": "large"] : nil))
            }
        }
        return Route(
            id: RouteID(1), name: "all", match: RouteMatch(path: "/"), unit: .header("X-User-Id"), variants: variants,
            timeouts: RouteTimeouts(),
            split: TrafficSplit(route: "all", shares: [VariantID(0): 7_000, VariantID(1): 3_000]), experiments: experiments)
    }

    private func trial(
        _ name: String, _ number: UInt16 = 1, unit: UnitSource = .header("X-User-Id"), shares: [Int] = [5_000, 5_000],
        _ change: (inout RouteExperiment) -> Void = { _ in }
    ) -> RouteExperiment {
        let arms = shares.indices.map { VariantID(UInt8(10 * Int(number) + $0)) }
        var experiment = RouteExperiment(
            number: number, name: name, unit: unit, audience: Audience(), variants: arms,
            split: TrafficSplit(route: "experiment/" + name, shares: Dictionary(uniqueKeysWithValues: zip(arms, shares))))
        change(&experiment)
        return experiment
    }

    /// What a request is assigned to, as a loop does it.
    private func assigned(_ head: String, by table: CompiledTable) throws -> Assignment {
        var parser = RequestParser()
        let bytes = Array((head + "\r\n\r\n").utf8)
        let progress = parser.parse(bytes.span, headerBytesMax: 32 << 10)
        #expect(progress == .complete)
        var names = RequestNames(instance: 1, loop: 0)
        let assignment = table.assign(parser, in: bytes.span, name: names.next(), client: UnitID("127.0.0.1"))
        return try #require(assignment)
    }

    private func evaluation(_ routes: [Route], sticky: StickyFolder? = nil) -> (
        remote: RemoteEvaluation, seen: GatewayHouse.Exposures
    ) {
        let seen = GatewayHouse.Exposures()
        let remote = RemoteEvaluation(sticky: sticky) { batch in seen.all.withLock { $0 += batch } }
        remote.adopt(RoutingTable(position: 5, routes: routes))
        return (remote, seen)
    }

    private func ask(
        _ remote: RemoteEvaluation, _ key: String?, _ body: String, headers: [(String, String)] = []
    ) async throws -> (status: Int, json: JSONValue, tag: String?) {
        let path = RemoteEvaluation.path + (key.map { "/" + $0 } ?? "")
        let answer = await remote.answer(
            HTTPRequest(method: "POST", path: path, headers: HTTPHeaders(headers), body: Array(body.utf8)))
        guard case .bytes(let bytes) = answer.body else { return (answer.status, .null, nil) }
        return (answer.status, bytes.isEmpty ? .null : try JSONValue(parsing: bytes), answer.headers["ETag"])
    }

    @Test(arguments: 0..<3 as Range<UInt64>)
    func `the gateway, explain and remote evaluation answer a unit alike, whatever the experiments are`(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let countries = ["DE", "AT", "CH", "FR"]
        var experiments: [RouteExperiment] = []
        for number in 0..<3 {
            experiments.append(
                trial("e\(number)", UInt16(number + 1), shares: [2_000, 3_000, 5_000]) { experiment in
                    experiment.audience = Audience(
                        namespace: Namespace(name: "n", lower: number * 3_000, upper: number * 3_000 + 3_000),
                        condition: number == 1 ? Condition(["country": ["$in": ["DE", "CH"]]]) : nil,
                        attributes: ["country": .header("X-Country")], coverage: Int.random(in: 3_000...10_000, using: &random))
                    experiment.overrides = ["unit-7": experiment.variants[2]]
                    if seed == 2 { experiment.hashing = .growthBook(version: 2, seed: "s\(number)") }
                })
        }
        let route = route(experiments)
        let table = CompiledTable(RoutingTable(position: 5, routes: [route]))
        let decider = RouteDecider(route)
        let (remote, seen) = evaluation([route])
        var taken = 0
        for number in 0..<2_000 {
            let unit = "unit-\(number < 20 ? UInt64(number) : random.next())"
            let country = countries.randomElement(using: &random)!
            let live = try assigned("GET / HTTP/1.1\r\nHost: h\r\nX-User-Id: \(unit)\r\nX-Country: \(country)", by: table)
            let decision = decider.decide(unit: unit, attributes: ["country": .string(country)])
            #expect(live.variant == decision.variant && live.share == decision.propensity && live.unit == UnitID(unit), "\(unit)")
            let explained = decider.explain(unit: unit, attributes: ["country": .string(country)])
            #expect(explained.experiment == decision.experiment?.name)
            taken += decision.experiment == nil ? 0 : 1
            guard number < 300 else { continue }
            let key = decision.experiment?.name ?? "all"
            let (status, json, _) = try await ask(
                remote, key, #"{"context":{"targetingKey":"\#(unit)","country":"\#(country)"}}"#)
            #expect(status == 200 && json["variant"]?.stringValue == explained.variant)
            guard decision.experiment != nil else { continue }
            let exposure = try #require(seen.last)
            #expect(exposure.variant == live.variant && exposure.propensity == live.share && exposure.unit == live.unit.hash)
            #expect(json["metadata"]?["requestId"]?.stringValue == exposure.request.description)
        }
        #expect(taken > 300 && taken < 1_990)
    }

    @Test func `an experiment's answer names it, and its exposure has the unit of the experiment`() async throws {
        let upstream = try TestUpstream.answering { head, _ in head }
        let everyone = trial("greeting", unit: .cookie("sid"), shares: [0, 10_000])
        let house = try GatewayHouse([route([everyone], port: upstream.port)])
        let answer = try #require(
            try await house.answer("GET /x HTTP/1.1\r\nHost: h\r\nX-User-Id: anna\r\nCookie: a=1; sid=s-42\r\n\r\n"))
        #expect(field("X-OpenClaw-Experiment", answer.head) == "greeting")
        #expect(field("X-OpenClaw-Variant", answer.head) == "arm1")
        #expect(String(decoding: answer.body, as: UTF8.self).hasPrefix("GET /arm/x HTTP/1.1\r\n"))
        let exposures = await house.drain()
        #expect(exposures.map(\.unit) == [UnitID("s-42").hash] && exposures[0].propensity == 10_000)
        #expect(exposures[0].variant == VariantID(11))
    }

    @Test func `a unit that no experiment takes is answered by the split, without a word of experiments`() async throws {
        let upstream = try TestUpstream.answering { _, _ in "ok" }
        let nobody = trial("nobody") { $0.audience.coverage = 0 }
        let house = try GatewayHouse([route([nobody], port: upstream.port)])
        let answer = try #require(try await house.answer("GET / HTTP/1.1\r\nHost: h\r\nX-User-Id: anna\r\n\r\n"))
        #expect(field("X-OpenClaw-Experiment", answer.head) == nil)
        #expect(field("X-OpenClaw-Variant", answer.head)?.hasPrefix("base") == true)
        _ = await house.drain()
    }

    /// base64url of the claims, as a token has them.
    private func token(_ claims: String) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var out: [UInt8] = []
        let bytes = Array(claims.utf8)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start...].prefix(3)
            let word = part.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - part.count))
            for index in 0...part.count { out.append(digits[Int(word >> UInt32(18 - 6 * index) & 63)]) }
        }
        return "eyJhbGciOiJub25lIn0." + String(decoding: out, as: UTF8.self) + ".c2ln"
    }

    @Test func `attributes come from header, cookie, body and token`() async throws {
        let upstream = try TestUpstream.answering { _, _ in "ok" }
        let aimed = trial("aimed", unit: .json(pointer: "/user"), shares: [0, 10_000]) {
            $0.audience.condition = Condition([
                "plan": "pro", "country": "DE", "beta": true, "app.version": ["$vgte": "2.0.0"], "role": "ops/lead",
            ])
            $0.audience.attributes = [
                "plan": .token(pointer: "/plan"), "country": .header("X-Country"), "beta": .cookie("beta"),
                "app": .json(pointer: "/app"), "role": .token(pointer: "/roles/1"),
            ]
        }
        let house = try GatewayHouse([route([aimed], port: upstream.port)])
        func experiment(_ claims: String, body: String = #"{"user":"u1","app":{"version":"2.1.0"}}"#, cookie: String = "beta=true")
            async throws -> String?
        {
            let request =
                "POST / HTTP/1.1\r\nHost: h\r\nX-Country: DE\r\nCookie: \(cookie)\r\nAuthorization: Bearer \(token(claims))\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            return field("X-OpenClaw-Experiment", try #require(try await house.answer(request)).head)
        }
        let claims = #"{"plan":"pro","roles":["dev","ops/lead"]}"#
        #expect(try await experiment(claims) == "aimed")
        #expect(try await experiment(#"{"plan":"free","roles":["dev","ops/lead"]}"#) == nil)
        #expect(try await experiment("not json") == nil)
        #expect(try await experiment(claims, cookie: "beta=false") == nil)
        #expect(try await experiment(claims, body: #"{"user":"u1","app":{"version":"1.9.9"}}"#) == nil)
        // Readers of this body would disagree on who it is.
        let twice = #"{"user":"u1","\u0075ser":"u2"}"#
        let refused = try #require(
            try await house.answer("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(twice.utf8.count)\r\n\r\n\(twice)"))
        #expect(refused.head.contains("400"))
        _ = await house.drain()
    }

    @Test func `a kept unit keeps its variant in the gateway when shares move, and after a restart`() throws {
        let folder = TemporaryFolder()
        var experiment = trial("kept") { $0.stickiness = .user }
        func table(_ position: Int64) -> CompiledTable {
            CompiledTable(
                RoutingTable(position: position, routes: [route([experiment])]), sticky: StickyFolder(path: folder.path + "/units"))
        }
        let before = table(1)
        let units = (0..<200).map { "GET / HTTP/1.1\r\nHost: h\r\nX-User-Id: u\($0)" }
        let first = try units.map { try assigned($0, by: before).variant }
        experiment.split.move(to: [experiment.variants[1]: 10_000])
        let after = table(2)
        #expect(try units.map { try assigned($0, by: after).variant } == first)
        #expect(try units.allSatisfy { try assigned($0, by: after).share == 5_000 })
        #expect(Set(first).count == 2)
        #expect(try assigned("GET / HTTP/1.1\r\nHost: h\r\nX-User-Id: new", by: after).variant == experiment.variants[1])
    }

    // MARK: Contextual choices

    /// Two arms: the second is liked by premium users, the first by all others; and a wide belief, so that draws matter.
    private func scorer(floor: Int = 500) -> Scorer {
        let features = [
            ScorerFeature(name: "plan", source: .header("X-Plan"), kind: .category(["free", "premium"])),
            ScorerFeature(name: "age", source: .json(pointer: "/age"), kind: .number(center: 40, scale: 20)),
        ]
        func arm(_ mean: [Float]) -> Scorer.Arm {
            Scorer.Arm(mean: mean, factor: [0.5, 0, 0.5, 0, 0, 0.5, 0, 0, 0, 0.5])
        }
        return Scorer(
            rule: .linTS(alpha: 1), features: features, arms: [arm([0.2, 0, 0.1, 0.3]), arm([0, 0.4, 0, 0.3])], floor: floor,
            seed: 7)
    }

    @Test func `a contextual choice is made by what the request says, its chance is counted, and what it saw goes first`()
        async throws
    {
        let upstream = try TestUpstream.answering { _, _ in "ok" }
        let contextual = trial("taste") { $0.scorer = self.scorer() }
        let route = route([contextual], port: upstream.port)
        let delivered = Mutex<[(request: RequestID, features: [Float]?, exposure: Exposure?)]>([])
        let gateway = GatewayServer(
            settings: .init(address: try SocketAddress(parsing: "127.0.0.1:0"), loops: 1),
            table: RoutingTable(position: 1, routes: [route]),
            exposures: { batch in delivered.withLock { $0 += batch.map { ($0.request, nil, $0) } } },
            contexts: { batch in delivered.withLock { $0 += batch.map { ($0.request, $0.features, nil) } } },
            feedback: { _ in HTTPResponse(status: 404) })
        let port = try gateway.start().port
        let decider = RouteDecider(route)
        var expected: [RouteDecision] = []
        let client = try await onThread { RawClient(port: port) }
        for number in 0..<60 {
            let (plan, age) = (number % 2 == 0 ? "premium" : "free", 20 + number)
            expected.append(
                decider.decide(unit: "u\(number)", attributes: ["plan": .string(plan), "age": .integer(Int64(age))]))
            let body = "{\"age\":\(age)}"
            let answer = try await onThread {
                client.write(
                    "POST / HTTP/1.1\r\nHost: h\r\nX-User-Id: u\(number)\r\nX-Plan: \(plan)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                return client.readMessage()
            }
            #expect(answer != nil)
        }
        await gateway.drain(limit: .seconds(60))
        let all = delivered.withLock(\.self)
        let exposures = all.compactMap(\.exposure)
        #expect(exposures.count == 60)
        for (exposure, decision) in zip(exposures, expected) {
            #expect(exposure.variant == decision.variant && exposure.propensity == decision.propensity)
            let context = all.firstIndex { $0.request == exposure.request }
            #expect(context.map { all[$0].features } == decision.features)
        }
        #expect(
            Set(exposures.map(\.propensity)).count > 10 && exposures.allSatisfy { $0.propensity >= 500 && $0.propensity <= 9_500 })
        #expect(Set(exposures.map(\.variant)) == Set(contextual.variants))
        #expect(decider.explain(unit: "u1", attributes: ["plan": "free", "age": 21]).reason.contains("scores best"))
    }

    @Test func `the counted chance is the share of units that choose so`() {
        let decider = RouteDecider(route([trial("taste") { $0.scorer = self.scorer() }]))
        let attributes: [String: JSONValue] = ["plan": "premium", "age": 30]
        let decisions = (0..<6_000).map { decider.decide(unit: "u\($0)", attributes: attributes) }
        for arm in [VariantID(10), VariantID(11)] {
            let mine = decisions.filter { $0.variant == arm }
            #expect(Set(mine.map(\.propensity)).count == 1)
            #expect(abs(Double(mine.count) / 6_000 - Double(mine.first?.propensity ?? 0) / 10_000) < 0.03)
        }
    }

    @Test func `a retired arm is never chosen, whatever an old scorer says`() {
        let experiment = trial("taste") {
            $0.scorer = self.scorer(floor: 4_000)
            $0.variants = [VariantID(11)]
            $0.split.move(to: [VariantID(11): 10_000])
        }
        let decider = RouteDecider(route([experiment]))
        for unit in 0..<200 { #expect(decider.decide(unit: "u\(unit)").variant == VariantID(11)) }
    }

    @Test func `remote evaluation chooses by the context, and says what it saw`() async throws {
        let route = route([trial("taste") { $0.scorer = self.scorer() }])
        let seen = Mutex<[Context]>([])
        let exposed = GatewayHouse.Exposures()
        let remote = RemoteEvaluation(
            sticky: nil, contexts: { batch in seen.withLock { $0 += batch } },
            sink: { batch in exposed.all.withLock { $0 += batch } })
        remote.adopt(RoutingTable(position: 5, routes: [route]))
        let answer = try await ask(remote, "taste", #"{"context":{"targetingKey":"u1","plan":"premium","age":30}}"#)
        let decision = RouteDecider(route).decide(unit: "u1", attributes: ["plan": "premium", "age": 30])
        #expect(answer.json["variant"]?.stringValue == route.variant(decision.variant)?.name)
        #expect(seen.withLock { $0.map(\.features) } == [decision.features] && decision.features == [0, 1, -0.5])
        #expect(exposed.last?.propensity == decision.propensity)
    }

    // MARK: Remote evaluation

    @Test(arguments: [
        ("greeting", "{", 400, "PARSE_ERROR"), ("greeting", "{}", 400, "INVALID_CONTEXT"),
        ("greeting", "[]", 400, "INVALID_CONTEXT"),
        ("greeting", #"{"context":{}}"#, 400, "TARGETING_KEY_MISSING"),
        ("greeting", #"{"context":{"targetingKey":""}}"#, 400, "TARGETING_KEY_MISSING"),
        ("greeting", #"{"context":{"targetingKey":5}}"#, 400, "INVALID_CONTEXT"),
        ("greetings", #"{"context":{"targetingKey":"u"}}"#, 404, "FLAG_NOT_FOUND"),
    ])
    func `what cannot be evaluated is said in the protocol's words`(key: String, body: String, status: Int, code: String)
        async throws
    {
        let (remote, seen) = evaluation([route([trial("greeting")])])
        let answer = try await ask(remote, key, body)
        #expect(answer.status == status && answer.json["errorCode"]?.stringValue == code)
        #expect(answer.json["key"]?.stringValue == key && answer.json["errorDetails"]?.stringValue?.isEmpty == false)
        if status == 404 { #expect(answer.json["errorDetails"]?.stringValue?.contains("greeting'?") == true) }
        #expect(seen.count == 0)
    }

    @Test func `a flag has its variant's value, its name, or the application's default`() async throws {
        let small = trial("small") { $0.audience.coverage = 0 }
        let (remote, seen) = evaluation([route([trial("greeting", shares: [0, 10_000])])])
        let declared = try await ask(remote, "greeting", #"{"context":{"targetingKey":"u"}}"#).json
        #expect(declared["value"] == ["model": "large"] && declared["variant"] == "arm1" && declared["reason"] == "STATIC")
        #expect(seen.count == 1)
        let whole = try await ask(remote, "all", #"{"context":{"targetingKey":"u"}}"#).json
        #expect(whole["variant"] == "arm1" && whole["metadata"]?["experiment"] == "greeting")
        #expect(seen.count == 2)
        let (none, unseen) = evaluation([route([small])])
        let standard = try await ask(none, "small", #"{"context":{"targetingKey":"u"}}"#).json
        #expect(
            standard["value"] == nil && standard["reason"] == "DISABLED"
                && standard["variant"]?.stringValue?.hasPrefix("base") == true)
        let base = try await ask(none, "all", #"{"context":{"targetingKey":"u"}}"#).json
        #expect(base["value"]?.stringValue?.hasPrefix("base") == true && base["reason"] == "SPLIT")
        #expect(unseen.count == 0)
        _ = try await ask(none, "all", #"{"context":{"targetingKey":"u","openclaw.track":true}}"#)
        #expect(unseen.count == 1)
    }

    @Test func `who asks not to be tracked is neither exposed nor kept`() async throws {
        let folder = TemporaryFolder()
        let sticky = StickyFolder(path: folder.path + "/units")
        let (remote, seen) = evaluation([route([trial("kept") { $0.stickiness = .user }])], sticky: sticky)
        _ = try await ask(remote, "kept", #"{"context":{"targetingKey":"u","openclaw.track":false}}"#)
        #expect(seen.count == 0)
        #expect(try sticky.table(of: 1).entry(of: UnitID("u")) == nil)
        _ = try await ask(remote, "kept", #"{"context":{"targetingKey":"u"}}"#)
        #expect(seen.count == 1)
        #expect(try sticky.table(of: 1).entry(of: UnitID("u")) != nil)
    }

    @Test func `all flags come with a tag, and a client that has them is told so and exposed to nothing`() async throws {
        let (remote, seen) = evaluation([route([trial("greeting")])])
        let context = #"{"context":{"targetingKey":"u"}}"#
        let all = try await ask(remote, nil, context)
        #expect(all.status == 200 && all.json["flags"]?.arrayValue?.compactMap { $0["key"]?.stringValue } == ["all", "greeting"])
        #expect(seen.count == 1)
        let tag = try #require(all.tag)
        for sent in [tag, "W/" + tag, "\"other\", " + tag, String(tag.dropFirst().dropLast())] {
            let again = try await ask(remote, nil, context, headers: [("If-None-Match", sent)])
            #expect(again.status == 304 && again.json == .null && again.tag == tag)
        }
        #expect(seen.count == 1)
        remote.adopt(RoutingTable(position: 6, routes: [route([trial("greeting") { $0.audience.coverage = 0 }])]))
        #expect(try await ask(remote, nil, context, headers: [("If-None-Match", tag)]).status == 200)
        #expect(try await ask(remote, nil, "{}").json["errorCode"] == "INVALID_CONTEXT")
    }
}

extension GatewayHouse.Exposures {
    fileprivate var count: Int { all.withLock(\.count) }
    fileprivate var last: Exposure? { all.withLock { $0.last } }
}
