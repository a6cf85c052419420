import Glibc

/// e^x, under a name that does not hide the module it comes from.
func exponential(_ x: Double) -> Double { exp(x) }
