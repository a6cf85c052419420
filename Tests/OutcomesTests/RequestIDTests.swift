import Outcomes
import Testing

struct RequestIDTests {
    @Test func `two request ids of one loop differ in their nonce`() {
        let a = RequestID(instance: 1, loop: 0, sequence: 1, nonce: 1)
        #expect(a != RequestID(instance: 1, loop: 0, sequence: 1, nonce: 2))
    }
}
