import Glibc
import Statistics
import Testing

@Suite struct PortableMathTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `exp and ln agree with the C library to the last digits`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<250 {
            let x = (random.unit() - 0.5) * 1_400
            #expect(abs(PortableMath.exp(x) / Glibc.exp(x) - 1) < 1e-15, "exp \(x)")
            let y = Glibc.exp((random.unit() - 0.5) * 1_400)
            #expect(abs(PortableMath.log(y) - Glibc.log(y)) <= 4e-16 * max(1, abs(Glibc.log(y))), "log \(y)")
            let small = (random.unit() - 0.5) * 1e-3
            #expect(abs(PortableMath.exp(small) - Glibc.exp(small)) < 3e-16)
            #expect(abs(PortableMath.log(1 + small) - Glibc.log(1 + small)) <= 3e-16)
        }
    }

    @Test func `the ends are infinite, and powers of two are exact`() {
        #expect(PortableMath.exp(-800) == 0 && PortableMath.exp(800) == .infinity && PortableMath.exp(0) == 1)
        #expect(PortableMath.exp(-744) > 0 && PortableMath.exp(.nan).isNaN)
        #expect(PortableMath.log(0) == -.infinity && PortableMath.log(1) == 0 && PortableMath.log(-1).isNaN)
        #expect(PortableMath.log(.infinity) == .infinity)
        for power in stride(from: -1_000, through: 1_000, by: 50) {
            #expect(PortableMath.exp2(Double(power)) == Double(sign: .plus, exponent: power, significand: 1))
        }
        #expect(abs(PortableMath.exp2(0.5) - 2.0.squareRoot()) < 3e-16)
    }

    /// The bits are what the doc promises: these were written down once, and every machine must find them.
    @Test func `the bits are the same everywhere`() {
        #expect(PortableMath.exp(1).bitPattern == 0x4005_bf0a_8b14_576a)
        #expect(PortableMath.log(10).bitPattern == 0x4002_6bb1_bbb5_5516)
    }
}
