import Sockets
import Statistics
import Testing

@testable import Providers

@Suite struct TokenTests {
    private func figures(_ text: String) -> TokenFigures? {
        var copy = text
        return copy.withUTF8 { unsafe TokenFigures(lastIn: $0) }
    }

    @Test func `figures are read from answers of either name, details included`() {
        #expect(
            figures(
                #"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":0}},"x":1}"#
            )
                == TokenFigures(input: 12, output: 7, cached: 5))
        #expect(
            figures(#"{ "usage" : { "input_tokens" : 3, "output_tokens":4 } }"#) == TokenFigures(input: 3, output: 4))
    }

    @Test func `what a model says about usage is not taken for it`() {
        #expect(
            figures(#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":99}"}}],"usage":{"prompt_tokens":1}}"#)
                == TokenFigures(input: 1))
        #expect(figures(#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":99}"}}]}"#) == nil)
        #expect(figures(#"{"usage":null}"#) == nil)
        #expect(figures(#"{"usage":{"prompt_tokens":1"#) == nil)
        #expect(figures(#""usag"#) == nil)
    }

    static let stream = """
        data: {"id":"1","choices":[{"delta":{"role":"assistant"}}],"usage":null}\n
        data: {"id":"1","choices":[{"delta":{"content":"Hello"}}],"usage":null}\n
        : a comment\n
        data: {"id":"1","choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}\n
        data: {"id":"1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n
        data: [DONE]\n\n
        """

    private func filtered(_ text: String, strips: Bool, cuts: [Int]) -> (String, TokenFigures?, Int64) {
        var filter = EventFilter(strips: strips)
        var out = ByteBuffer()
        let bytes = Array(text.utf8)
        var start = 0
        for cut in cuts + [bytes.count] where cut > start {
            unsafe bytes[start..<cut].withUnsafeBufferPointer { unsafe filter.take($0, into: &out) }
            start = cut
        }
        filter.finish(into: &out)
        return (unsafe String(decoding: out.bytes, as: UTF8.self), filter.figures, filter.events)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `the event that only tells the usage is left out, however the stream is cut`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let text = seed % 2 == 0 ? Self.stream : Self.stream.replacing("\n", with: "\r\n")
        let cuts = (0..<Int.random(in: 0...6, using: &random)).map { _ in Int.random(in: 0..<text.utf8.count, using: &random) }
        let expected = text.split(separator: seed % 2 == 0 ? "\n\n" : "\r\n\r\n", omittingEmptySubsequences: false)
            .filter { !$0.contains("\"choices\":[],") }.joined(separator: seed % 2 == 0 ? "\n\n" : "\r\n\r\n")
        let (out, figures, events) = filtered(text, strips: true, cuts: cuts.sorted())
        #expect(out == expected, "seed \(seed)")
        #expect(figures == TokenFigures(input: 9, output: 2))
        #expect(events == 3)
        #expect(filtered(text, strips: false, cuts: cuts.sorted()).0 == text)
    }

    @Test func `usage in an event that says something else too stays`() {
        let text =
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"
        let (out, figures, _) = filtered(text, strips: true, cuts: [])
        #expect(out == text)
        #expect(figures == TokenFigures(input: 1, output: 1))
    }

    @Test func `an event that never ends is passed on and not held for ever`() {
        let text = "data: " + String(repeating: "x", count: EventFilter.eventBytesMax + 10)
        var filter = EventFilter(strips: true)
        var out = ByteBuffer()
        var copy = text
        copy.withUTF8 { unsafe filter.take($0, into: &out) }
        #expect(out.count == text.utf8.count)
    }
}
