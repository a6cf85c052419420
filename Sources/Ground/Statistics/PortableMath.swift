/// exp and ln from additions, multiplications and divisions alone, so that they have the same bits on every machine.
///
/// The C library picks another body of its own by the processor it finds, and the last bit differs. Where draws are compared and
/// counted to decide shares, such a bit would make two machines disagree.
public enum PortableMath {
    /// ln 2 in two parts: multiples of the first are exact.
    private static let (ln2High, ln2Low) = (0x1.62e42fee00000p-1, 0x1.a39ef35793c76p-33)

    /// e^x: x = k ln 2 + r, a Taylor polynomial in r, then k into the exponent.
    @inlinable
    public static func exp(_ x: Double) -> Double {
        if x.isNaN { return x }
        if x > 709.78 { return .infinity }
        if x < -745.13 { return 0 }
        let k = (x * 1.442_695_040_888_963_4).rounded(.toNearestOrEven)
        let r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33
        // |r| <= 0.347: the first term left out is below 3e-18.
        var sum = 1.0 / 87_178_291_200
        sum = sum * r + 1.0 / 6_227_020_800
        sum = sum * r + 1.0 / 479_001_600
        sum = sum * r + 1.0 / 39_916_800
        sum = sum * r + 1.0 / 3_628_800
        sum = sum * r + 1.0 / 362_880
        sum = sum * r + 1.0 / 40_320
        sum = sum * r + 1.0 / 5_040
        sum = sum * r + 1.0 / 720
        sum = sum * r + 1.0 / 120
        sum = sum * r + 1.0 / 24
        sum = sum * r + 1.0 / 6
        sum = sum * r + 0.5
        sum = (sum * r + 1) * r + 1
        let power = Int64(k)
        if power >= -1_022, power <= 1_023 { return sum * Double(bitPattern: UInt64(1_023 + power) << 52) }
        return Double(sign: .plus, exponent: Int(power), significand: sum)
    }

    /// ln x for x > 0: the significand by the series of 2 artanh((m - 1)/(m + 1)), the exponent apart.
    public static func log(_ x: Double) -> Double {
        guard x > 0 else { return x == 0 ? -.infinity : .nan }
        guard x < .infinity else { return x }
        var (m, exponent) = (x.significand, Double(x.exponent))
        if m > 1.414_213_562_373_095_1 { (m, exponent) = (m / 2, exponent + 1) }
        let s = (m - 1) / (m + 1)
        let q = s * s
        // q <= 0.0295: the first term left out is below 1e-18.
        var sum = 1.0 / 21
        sum = sum * q + 1.0 / 19
        sum = sum * q + 1.0 / 17
        sum = sum * q + 1.0 / 15
        sum = sum * q + 1.0 / 13
        sum = sum * q + 1.0 / 11
        sum = sum * q + 1.0 / 9
        sum = sum * q + 1.0 / 7
        sum = sum * q + 1.0 / 5
        sum = sum * q + 1.0 / 3
        sum = sum * q * s + s
        return exponent * ln2High + (2 * sum + exponent * ln2Low)
    }

    /// 2^x.
    public static func exp2(_ x: Double) -> Double {
        let whole = x.rounded(.toNearestOrEven)
        guard abs(whole) < 2_000 else { return whole > 0 ? .infinity : 0 }
        return Double(sign: .plus, exponent: Int(whole), significand: exp((x - whole) * 0x1.62e42fefa39efp-1))
    }
}
