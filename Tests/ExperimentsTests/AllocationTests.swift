import Experiments
import Testing

struct AllocationTests {
    @Test func `only linear strategies choose by context, and only fixed stays`() {
        #expect(Allocation.Strategy.allCases.filter(\.isContextual) == [.linUCB, .linTS])
        #expect(Allocation.Strategy.allCases.filter { !$0.isAdaptive } == [.fixed])
    }
}
