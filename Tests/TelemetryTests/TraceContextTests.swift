import Testing

@testable import Telemetry

@Suite struct TraceContextTests {
    let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test func `a traceparent reads back as itself`() throws {
        let context = try #require(TraceContext(traceparent: example.utf8))
        #expect(context.traceparent == example)
        #expect(context.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(context.isSampled)
    }

    @Test(arguments: [
        "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
    ])
    func `a malformed one starts a new trace`(text: String) { #expect(TraceContext(traceparent: text.utf8) == nil) }

    @Test func `a later version is read as far as it is known`() {
        let text = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-holds"
        #expect(TraceContext(traceparent: text.utf8)?.traceparent == example)
    }

    @Test func `a child stays in its trace`() {
        var random = SystemRandomNumberGenerator()
        let parent = TraceContext.generate(using: &random)
        let child = parent.child(using: &random)
        #expect(child.traceID == parent.traceID && child.parent != parent.parent)
        #expect(TraceContext(traceparent: child.traceparent.utf8) == child)
    }
}
