import Telemetry
import Testing

@Suite struct PrometheusTextTests {
    @Test func `a page declares each family before its samples`() {
        var page = PrometheusText()
        page.family("openclaw_requests_total", .counter, help: "Requests.\nBy route \\ variant.")
        page.sample("openclaw_requests_total", [("route", "a\"b\\c\nd"), ("variant", "v1")], 12)
        page.family("openclaw_latency_seconds", .histogram, help: "Latency.")
        page.sample("openclaw_latency_seconds_bucket", [("le", "+Inf")], 3)
        page.sample("openclaw_latency_seconds_sum", [], 0.125)
        page.family("openclaw_load", .gauge, help: "Load.")
        page.sample("openclaw_load", [], .nan)
        page.sample("openclaw_load", [], -.infinity)
        #expect(
            page.text == #"""
                # HELP openclaw_requests_total Requests.\nBy route \\ variant.
                # TYPE openclaw_requests_total counter
                openclaw_requests_total{route="a\"b\\c\nd",variant="v1"} 12
                # HELP openclaw_latency_seconds Latency.
                # TYPE openclaw_latency_seconds histogram
                openclaw_latency_seconds_bucket{le="+Inf"} 3
                openclaw_latency_seconds_sum 0.125
                # HELP openclaw_load Load.
                # TYPE openclaw_load gauge
                openclaw_load NaN
                openclaw_load -Inf

                """#)
    }
}
