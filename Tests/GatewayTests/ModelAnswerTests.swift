import Glibc
import JSON
import Outcomes
import Registry
import Routing
import TestSockets
import Testing

@testable import Gateway

@Suite(.serialized) struct ModelAnswerTests {
    static let told =
        #"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1000,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":200}}}"#
    static let request = #"{"model":"m","messages":[{"role":"user","content":"x"}]}"#
    static let streamed = #"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#
    static let events = [
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n", "data: [DONE]\n\n",
    ]

    @Test func `an answer is counted and priced, and reaches the client as it is`() async throws {
        let upstream = try scripted([answer("200 OK", Self.told)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        #expect(try await house.post(Self.request).hasSuffix("\r\n\r\n" + Self.told))
        let (exposures, usages) = await house.drain()
        let usage = try #require(usages.first)
        #expect(usage.inputTokens == 1_000 && usage.outputTokens == 10 && usage.cachedTokens == 200)
        #expect(usage.costNanoUSD == 800 * 1_000 + 200 * 500 + 10 * 2_000)
        #expect(usage.flags == [] && usage.retries == 0 && usage.firstTokenMicroseconds > 0)
        #expect(usage.request == exposures.first?.request && usage.unit == exposures.first?.unit && usage.propensity == 10_000)
    }

    @Test func `the provider gets its own key, and none of the client's`() async throws {
        unsafe setenv("OPENCLAW_TEST_PROVIDER_KEY", "sk-theirs", 1)
        let upstream = try scripted([answer("200 OK", Self.told)])
        let house = try ModelHouse {
            $0.providers = [ModelHouse.provider("p", upstream) { $0.key = .environment("OPENCLAW_TEST_PROVIDER_KEY") }]
        }
        let fields =
            "Authorization: Bearer sk-mine\r\napi-key: sk-mine\r\nOpenAI-Organization: mine\r\nCookie: mine=1\r\nAccept-Encoding: gzip\r\nX-User-Id: u\r\n"
        _ = try await house.post(Self.request, to: "/v1/chat/completions?x=1", fields)
        let head = upstream.seen
        #expect(head.hasPrefix("POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: 127.0.0.1:\(upstream.port)\r\n"))
        #expect(field("Authorization", head) == "Bearer sk-theirs")
        #expect(!head.contains("mine") && field("Accept-Encoding", head) == nil && field("X-User-Id", head) == "u")
        _ = await house.drain()
    }

    @Test func `without its key no provider is asked, and the client is told which is missing`() async throws {
        let upstream = try scripted([answer("200 OK", Self.told)])
        let house = try ModelHouse {
            $0.providers = [ModelHouse.provider("p", upstream) { $0.key = .environment("OPENCLAW_TEST_NO_SUCH_KEY") }]
        }
        let answer = try await house.post(Self.request)
        #expect(answer.hasPrefix("HTTP/1.1 502") && answer.contains("OPENCLAW_TEST_NO_SUCH_KEY is not set"))
        #expect(upstream.seenCount == 0)
        _ = await house.drain()
    }

    @Test func `the usage of a stream is asked for, counted, and left out for a client that did not ask`() async throws {
        let upstream = try scripted([chunked(Self.events)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        let answer = try await house.post(Self.streamed)
        #expect(unchunked(answer) == Self.events[0] + Self.events[1] + Self.events[3])
        #expect(answer.hasSuffix("0\r\n\r\n"))
        #expect(upstream.seen.contains(#""stream_options":{"include_usage":true}"#))
        let usage = try #require(await house.drain().usages.first)
        #expect(usage.inputTokens == 5 && usage.outputTokens == 2 && usage.flags == [.streamed])
    }

    @Test func `a client that asked for the usage gets every byte`() async throws {
        let upstream = try scripted([chunked(Self.events)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        let asking = Self.streamed.replacing("\"stream\":true", with: #""stream":true,"stream_options":{"include_usage":true}"#)
        #expect(try await house.post(asking).hasSuffix(chunked(Self.events).split(separator: "\r\n\r\n", maxSplits: 1)[1]))
        #expect(await house.drain().usages.first?.outputTokens == 2)
    }

    @Test func `a stream without figures is counted here, and says so`() async throws {
        let upstream = try scripted([chunked([Self.events[0], Self.events[1], Self.events[3]])])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        _ = try await house.post(Self.streamed)
        let usage = try #require(await house.drain().usages.first)
        #expect(usage.flags == [.streamed, .estimated] && usage.outputTokens == 2 && usage.inputTokens > 0)
    }

    @Test func `a stream that ends with its connection is framed for the client`() async throws {
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + Self.events.joined())
            connection.endOutput()
        }
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        let answer = try await house.post(Self.streamed)
        #expect(unchunked(answer) == Self.events[0] + Self.events[1] + Self.events[3])
        #expect(await house.drain().usages.first?.inputTokens == 5)
    }

    @Test func `a stream with a length is framed anew, because an event is left out`() async throws {
        let body = Self.events.joined()
        let upstream = try scripted([
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        ])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        let answer = try await house.post(Self.streamed)
        #expect(field("Content-Length", answer) == nil)
        #expect(unchunked(answer) == Self.events[0] + Self.events[1] + Self.events[3])
        _ = await house.drain()
    }

    @Test(arguments: ["500 No", "429 Many", "401 Who", ""])
    func `where a provider fails the next one is asked, and the variant stays the assigned one`(status: String) async throws {
        let failing = try scripted([status.isEmpty ? "" : answer(status, "{}")])
        let upstream = try scripted([answer("200 OK", Self.told)])
        let house = try ModelHouse {
            $0.providers = [ModelHouse.provider("first", failing), ModelHouse.provider("second", upstream)]
        }
        let answer = try await house.post(Self.request)
        #expect(answer.hasPrefix("HTTP/1.1 200") && field("X-OpenClaw-Variant", answer) == "control")
        #expect(upstream.seen.contains(Self.request))
        let (exposures, usages) = await house.drain()
        #expect(exposures.count == 1 && exposures.first?.kind == .success)
        #expect(usages.first?.flags == [.fallback] && usages.first?.retries == 1 && usages.first?.inputTokens == 1_000)
    }

    @Test func `the same provider is asked again within its budget, and then its answer is passed on`() async throws {
        let upstream = try scripted([answer("503 Later", "{}"), answer("200 OK", Self.told), answer("500 No", "{\"no\":1}")])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream) { $0.retryBudget = 0 }] }
        #expect(try await house.post(Self.request).hasPrefix("HTTP/1.1 200"))
        for _ in 0..<3 { #expect(try await house.post(Self.request).hasSuffix("{\"no\":1}")) }
        let usages = await house.drain().usages
        // Three retries were there at first, and none is earned.
        #expect(usages.map(\.retries) == [1, 1, 1, 0])
    }

    @Test func `other paths pass through, and feedback is the gateway's own`() async throws {
        let upstream = try scripted([answer("200 OK", "{\"data\":[]}")])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        #expect(try await house.post("not json", to: "/v1/audio/transcriptions").hasSuffix("{\"data\":[]}"))
        #expect(upstream.seen.hasSuffix("\r\n\r\nnot json"))
        #expect(try await house.post("{}", to: "/v1/feedback").hasSuffix("fed"))
        let models = try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            client.write("GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return client.readToEnd() ?? ""
        }
        #expect(models.hasSuffix("{\"data\":[]}") && upstream.seen.contains("GET /v1/models HTTP/1.1"))
        let usages = await house.drain().usages
        #expect(usages.allSatisfy { $0.costNanoUSD == 0 && $0.inputTokens == 0 })
    }

    @Test func `a route under another path takes the API with and without its version`() async throws {
        let upstream = try scripted([answer("200 OK", Self.told)])
        let house = try ModelHouse({ $0.providers = [ModelHouse.provider("p", upstream)] }, path: "/support")
        _ = try await house.post(Self.request, to: "/support/v1/chat/completions")
        _ = try await house.post(Self.request, to: "/support/chat/completions")
        #expect(upstream.seen.ranges(of: "POST /v1/chat/completions HTTP/1.1").count == 2)
        #expect(await house.drain().usages.map(\.inputTokens) == [1_000, 1_000])
    }

    @Test func `a prompt is put into the request, and one that is smuggled past is refused`() async throws {
        var template = Prompt.Template(system: "Be kind.")
        template.model = "m"
        let upstream = try scripted([answer("200 OK", Self.told)])
        let house = try ModelHouse { [template] in
            $0.prompt = PromptBinding(id: "support@v3", template: template)
            $0.providers = [ModelHouse.provider("p", upstream)]
        }
        _ = try await house.post(#"{"model":"other","messages":[{"role":"user","content":"x"}]}"#)
        #expect(
            upstream.seen.hasSuffix(
                #"{"model":"m","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"x"}]}"#))
        let count = upstream.seenCount
        let refused = try await house.post(#"{"messages":[],"mod\u0065l":"other"}"#)
        #expect(refused.hasPrefix("HTTP/1.1 400") && refused.contains("invalid_request_error") && upstream.seenCount == count)
        _ = await house.drain()
    }

    @Test func `a budget that is reached answers 429 in OpenAI's shape, and asks nobody`() async throws {
        let upstream = try scripted([answer("200 OK", Self.told)])
        // One request costs 920 000; it may cost 100 bytes of input and 50 tokens of output at most.
        let budgets = [Budget(.route, nanoUSD: 1_000_000, per: .total)]
        let house = try ModelHouse({ $0.providers = [ModelHouse.provider("p", upstream)] }, budgets: budgets)
        let small = #"{"model":"m","max_tokens":20,"messages":[{"role":"user","content":"x"}]}"#
        #expect(try await house.post(small).hasPrefix("HTTP/1.1 200"))
        let count = upstream.seenCount
        let refused = try await house.post(small)
        #expect(refused.hasPrefix("HTTP/1.1 429"))
        let error = try JSONValue(parsing: unchunked(refused))["error"]
        #expect(error?["type"] == "insufficient_quota" && error?["message"]?.stringValue?.contains("0.00008 USD are left") == true)
        #expect(
            try await house.post(small.replacing("\"m\"", with: "\"unknown\"")).contains("No price is known for model 'unknown'"))
        #expect(upstream.seenCount == count)
        let (exposures, usages) = await house.drain()
        #expect(exposures.map(\.kind) == [.success, .clientFault, .clientFault])
        #expect(usages.map(\.costNanoUSD) == [920_000, 0, 0])
    }

    @Test func `an experiment has a budget of its own, beside the route's, and those it does not take pay none of it`() async throws
    {
        let upstream = try scripted([answer("200 OK", Self.told)])
        let provider = ModelHouse.provider("p", upstream)
        let arm = VariantID(1)
        var experiment = RouteExperiment(
            number: 7, name: "try", unit: .header("X-Tester"), audience: Audience(), variants: [arm],
            split: TrafficSplit(route: "experiment/try", shares: [arm: 10_000]))
        experiment.budget = ExperimentBudget(Budget(.experiment, nanoUSD: 1_000_000, per: .total), since: 0)
        let add = { (route: inout Route) in
            var variant = Variant(id: arm, name: "bold", url: "", experiment: "try")
            variant.providers = [provider]
            route.variants.append(variant)
            route.experiments = [experiment]
        }
        let house = try ModelHouse(
            { $0.providers = [provider] }, budgets: [Budget(.route, nanoUSD: 4_000_000, per: .total)], adjust: add)
        let small = #"{"model":"m","max_tokens":20,"messages":[{"role":"user","content":"x"}]}"#
        #expect(house.gateway.spent(by: "try") == 0 && house.gateway.spent(by: "other") == nil)
        #expect(try await house.post(small, "/v1/chat/completions", "X-Tester: u\r\n").hasPrefix("HTTP/1.1 200"))
        #expect(house.gateway.spent(by: "try") == 920_000)
        let refused = try await house.post(small, "/v1/chat/completions", "X-Tester: u\r\n")
        #expect(refused.hasPrefix("HTTP/1.1 429") && refused.contains("The budget of the experiment is 0.001 USD in total"))
        #expect(field("X-OpenClaw-Experiment", refused) == "try")
        let table = RoutingTable(position: 2, routes: [])
        try await house.gateway.publish(table)
        house.gateway.charge(500, experiment: experiment)
        #expect(house.gateway.spent(by: "try") == nil, "it is on no route any more")
        #expect(await house.drain().usages.count == 2)
    }

    @Test func `each client token has its own budget`() async throws {
        let upstream = try scripted([answer("200 OK", Self.told)])
        let budgets = [Budget(.token, nanoUSD: 1_000_000, per: .total)]
        let house = try ModelHouse({ $0.providers = [ModelHouse.provider("p", upstream)] }, budgets: budgets)
        let small = #"{"model":"m","max_tokens":20,"messages":[]}"#
        let statuses = try await [
            house.post(small, "/v1/chat/completions", "Authorization: Bearer a\r\n"),
            house.post(small, "/v1/chat/completions", "Authorization: Bearer a\r\n"),
            house.post(small, "/v1/chat/completions", "Authorization: Bearer b\r\n"),
        ].map { $0.split(separator: " ")[1] }
        #expect(statuses == ["200", "429", "200"])
        _ = await house.drain()
    }
}

extension ModelHouse {
    fileprivate func post(_ body: String, _ path: String, _ fields: String) async throws -> String {
        try await post(body, to: path, fields)
    }
}
