import Outcomes
import Statistics
import Testing

struct RequestIDTests {
    @Test(arguments: 0..<50 as Range<UInt64>)
    func `a request id reads back as it is printed`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let id = RequestID(
            instance: UInt32.random(in: 0 ... .max, using: &random), loop: UInt8.random(in: 0 ... .max, using: &random),
            sequence: random.next() & 0xff_ffff_ffff, nonce: random.next() & 0xffff_ffff_ffff)
        #expect(id.description.utf8.count == 32)
        #expect(RequestID(id.description) == id && RequestID(id.description.uppercased()) == id)
    }

    @Test func `each part has its digits`() {
        let id = RequestID(instance: 0x1234_5678, loop: 0x9a, sequence: 0x00_0000_00bc, nonce: 0xdef)
        #expect(id.description == "123456789a00000000bc000000000def")
    }

    @Test(arguments: [
        "", "123456789a00000000bc000000000de", "123456789a00000000bc000000000deff", "123456789a00000000bc00000000 def",
        "g23456789a00000000bc000000000def",
    ])
    func `what is no request id is refused`(text: String) { #expect(RequestID(text) == nil) }
}
