import Glibc
import JSON
import Outcomes
import Routing
import Synchronization
import TestSockets
import Testing

@testable import Gateway

/// How long providers may take to say something, and when they are asked again.
@Suite(.serialized) struct FirstTokenTests {
    static let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    static let opening =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"

    static func chunk(_ text: String) -> String { "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n" }

    @Test(arguments: [
        (opening, false), (": ping\n\n", false), ("data:\n\n", false), ("event: ping\ndata: {\"type\":\"ping\"}\n\n", false),
        ("event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n", false),
        ("data: {\"choices\":[{\"text\":\"\",\"finish_reason\":null}]}\n\n", false),
        ("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n", false),
        ("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n", true),
        ("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]},\"finish_reason\":null}]}\n\n", true),
        ("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", true), ("data: [DONE]\n\n", true),
        ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", true), ("data: {\"error\":{\"message\":\"no\"}}\n\n", true),
        ("data: {\"choices\":[{\"text\":\"a\"}]}\n\n", true), ("data: text\n\n", true),
        ("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n", true),
    ])
    func `a token is told from what only opens an answer`(event: String, isToken: Bool) {
        var event = event
        #expect(event.withUTF8 { unsafe FirstToken.carriesContent($0) } == isToken, "\(event)")
    }

    /// Says this, then nothing but comments until it is closed.
    private func stalling(after text: String) throws -> TestUpstream {
        try TestUpstream { connection in
            guard connection.readMessage() != nil, connection.write(text) else { return }
            while connection.write(Self.chunk(": wait\n\n")) { usleep(10_000) }
        }
    }

    @Test(arguments: [head, head + chunk(opening)])
    func `a provider that opens its answer and says nothing is given up for the next one`(text: String) async throws {
        let silent = try stalling(after: text)
        let upstream = try scripted([chunked(ModelAnswerTests.events)])
        let house = try ModelHouse {
            $0.providers = [
                ModelHouse.provider("first", silent) { $0.timeouts.firstByte = 300 }, ModelHouse.provider("second", upstream),
            ]
        }
        let answer = try await house.post(ModelAnswerTests.streamed)
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        #expect(unchunked(answer) == ModelAnswerTests.events[0] + ModelAnswerTests.events[1] + ModelAnswerTests.events[3])
        let (exposures, usages) = await house.drain()
        #expect(exposures.map(\.kind) == [.success] && usages.first?.flags == [.fallback, .streamed])
        #expect(usages.first?.firstTokenMicroseconds ?? 0 >= 300_000)
    }

    @Test func `with nobody else to ask the client is told, and nothing of the opening`() async throws {
        let silent = try stalling(after: Self.head + Self.chunk(Self.opening))
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("only", silent) { $0.timeouts.firstByte = 200 }] }
        let answer = try await house.post(ModelAnswerTests.streamed)
        #expect(answer.hasPrefix("HTTP/1.1 504") && !answer.contains("assistant"))
        #expect(await house.drain().exposures.map(\.kind) == [.timedOut])
    }

    @Test func `comments do not keep an answer alive that has stopped in the middle`() async throws {
        let upstream = try stalling(after: Self.head + Self.chunk(Self.opening) + Self.chunk(ModelAnswerTests.events[0]))
        let house = try ModelHouse {
            $0.providers = [ModelHouse.provider("p", upstream) { $0.timeouts.idle = 300 }]
        }
        let answer = try await house.post(ModelAnswerTests.streamed)
        #expect(!answer.hasSuffix("0\r\n\r\n"))
        #expect(await house.drain().exposures.map(\.kind) == [.timedOut])
    }

    @Test func `the same provider is given a pause before it is asked again, longer each time`() async throws {
        let upstream = try scripted([answer("503 No", "{}"), answer("503 No", "{}"), answer("200 OK", ModelAnswerTests.told)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream) { $0.retriesMax = 2 }] }
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try await house.post(ModelAnswerTests.request).hasPrefix("HTTP/1.1 200"))
        #expect(clock.now - start >= .milliseconds(50 + 100))
        #expect(await house.drain().usages.first?.retries == 2)
    }

    @Test func `a provider that says when it may be asked again is asked then, unless that is too long`() async throws {
        func many(_ seconds: Int) -> String {
            "HTTP/1.1 429 Many\r\nRetry-After: \(seconds)\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        }
        let upstream = try scripted([many(1), answer("200 OK", ModelAnswerTests.told), many(60)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try await house.post(ModelAnswerTests.request).hasPrefix("HTTP/1.1 200"))
        #expect(clock.now - start >= .seconds(1))
        let passed = try await house.post(ModelAnswerTests.request)
        #expect(passed.hasPrefix("HTTP/1.1 429") && field("Retry-After", passed) == "60")
        #expect(await house.drain().usages.map(\.retries) == [1, 0])
    }

    @Test func `a client that goes away during the pause is no request any more`() async throws {
        let (asked, source) = AsyncStream<Void>.makeStream()
        let upstream = try TestUpstream { connection in
            while connection.readMessage() != nil {
                connection.write("HTTP/1.1 503 No\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")
                source.yield()
            }
        }
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            let body = ModelAnswerTests.request
            client.write("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            while upstream.seenCount == 0 { usleep(1_000) }
            usleep(50_000)
            client.reset()
        }
        for await _ in asked { break }
        #expect(await house.drain().exposures.map(\.kind) == [.clientFault])
        #expect(upstream.seen.ranges(of: "POST ").count == 1)
    }

    @Test(arguments: [
        "/v1//chat/completions", "/v1/chat/completions/", "/v1/chat/c%6fmpletions", "/v1/Chat/Completions", "/v1/responses;a=b",
    ])
    func `a path that is only written otherwise does not go round what is set`(path: String) async throws {
        let upstream = try scripted([answer("200 OK", ModelAnswerTests.told)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        let refused = try await house.post(ModelAnswerTests.request, to: path)
        #expect(refused.hasPrefix("HTTP/1.1 400") && refused.contains("Write the path plainly"), "\(refused)")
        #expect(upstream.seenCount == 0)
        _ = await house.drain()
    }

    @Test(arguments: [
        (#""max_tokens":1e6"#, 400), (#""max_tokens":100000.0"#, 400), (#""n":"9""#, 400),
        (#""max_tokens":1,"max_completion_tokens":100000"#, 429),
        (#""max_output_tokens":100000"#, 429), (#""max_tokens":1,"best_of":100000"#, 429),
        (#""max_tokens":200,"prompt":["a","b","c","d"]"#, 429), (#""max_tokens":1,"n":null"#, 200),
    ])
    func `what a request may cost at most cannot be talked down`(members: String, status: Int) async throws {
        let upstream = try scripted([answer("200 OK", ModelAnswerTests.told)])
        let budgets = [Budget(.route, nanoUSD: 1_500_000, per: .total)]
        let house = try ModelHouse({ $0.providers = [ModelHouse.provider("p", upstream)] }, budgets: budgets)
        let answer = try await house.post(#"{"model":"m",\#(members)}"#)
        #expect(answer.hasPrefix("HTTP/1.1 \(status)"), "\(answer)")
        _ = await house.drain()
    }

    @Test func `a client that goes away before the answer has still had its question read`() async throws {
        let upstream = try TestUpstream { connection in
            _ = connection.readMessage()
            _ = connection.read()
        }
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        try await onThread { [port = house.port] in
            let client = RawClient(port: port)
            let body = ModelAnswerTests.request
            client.write("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            while !upstream.seen.contains(body) { usleep(1_000) }
            client.reset()
        }
        let usage = try #require(await house.drain().usages.first)
        #expect(usage.flags == [.estimated] && usage.inputTokens > 0 && usage.outputTokens == 0 && usage.costNanoUSD > 0)
    }

    @Test func `the events of a response are counted by their own names`() async throws {
        let events = [
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}}\n\n",
        ]
        let upstream = try scripted([chunked(events)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream)] }
        let answer = try await house.post(#"{"model":"m","stream":true,"input":"x"}"#, to: "/v1/responses")
        #expect(unchunked(answer) == events.joined())
        let usage = try #require(await house.drain().usages.first)
        #expect(usage.inputTokens == 7 && usage.outputTokens == 3 && usage.flags == [.streamed])
    }

    @Test func `what nobody knows the price of does not count as free`() async throws {
        let upstream = try scripted([answer("200 OK", ModelAnswerTests.told)])
        let house = try ModelHouse { $0.providers = [ModelHouse.provider("p", upstream) { $0.prices = [:] }] }
        #expect(try await house.post(ModelAnswerTests.request).hasPrefix("HTTP/1.1 200"))
        let models = await house.gateway.metrics()["routes"]?["support"]?["control"]?["models"]
        #expect(models?["cost_usd"] == .null && models?["unpriced"] == 1, "\(String(describing: models))")
        #expect(await house.drain().usages.first?.flags == [.unpriced])
    }
}
