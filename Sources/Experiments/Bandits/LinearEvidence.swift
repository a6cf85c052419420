import Routing

/// What is known of one arm by context: ridge regression of its rewards on what describes a request.
///
/// With weights w, descriptions x (a constant 1 put behind) and rewards r it keeps the sums of w x x^T and of w r x. What it
/// believes of the arm's coefficients is normal with mean A^-1 b and covariance A^-1, A = I + sum of w x x^T.
struct LinearEvidence: Equatable, Sendable, Codable {
    /// The length of a description, the constant counted.
    let dimensions: Int
    /// The lower triangle of the sum of w x x^T, row by row.
    private var squares: [Double]
    private var products: [Double]

    init(dimensions: Int) {
        self.dimensions = dimensions
        squares = Array(repeating: 0, count: dimensions * (dimensions + 1) / 2)
        products = Array(repeating: 0, count: dimensions)
    }

    /// Missing numbers are 0, surplus ones are not looked at. `isEmpty` when nothing is left after a reward was taken back.
    mutating func add(features: [Double], value: Double, weight: Double, sign: Int, isEmpty: Bool) {
        if isEmpty {
            self = LinearEvidence(dimensions: dimensions)
            return
        }
        var x = features.prefix(dimensions - 1).map { LinearEvidence.bounded($0) }
        x.append(contentsOf: repeatElement(0, count: dimensions - 1 - x.count))
        x.append(1)
        let signed = weight * Double(sign)
        var place = 0
        for row in 0..<dimensions {
            let scaled = signed * x[row]
            if scaled != 0 {
                for column in 0...row { squares[place + column] += scaled * x[column] }
                products[row] += scaled * value
            }
            place += row + 1
        }
    }

    /// What the gateway's scorer would see of it.
    private static func bounded(_ value: Double) -> Double {
        value.isFinite ? Double(Float(max(-ScorerFeature.numberMax, min(ScorerFeature.numberMax, value)))) : 0
    }

    mutating func scale(by factor: Double) {
        for place in squares.indices { squares[place] *= factor }
        for place in products.indices { products[place] *= factor }
    }

    /// The posterior of the coefficients, `today` turning recorded weights into today's: the mean A^-1 b, and a lower triangular
    /// L (row by row, d (d + 1) / 2 numbers) with L L^T = A^-1.
    func posterior(today: Double) -> (mean: [Double], factor: [Double]) {
        let d = dimensions
        var upper = upperFactor(today: today)
        LinearEvidence.invert(&upper, d)
        // A = U U^T, so A^-1 = U^-T U^-1, and L = U^-T.
        var factor: [Double] = []
        factor.reserveCapacity(d * (d + 1) / 2)
        for row in 0..<d { for column in 0...row { factor.append(upper[column * d + row]) } }
        // mean = L (L^T b)
        var (inner, mean) = (Array(repeating: 0.0, count: d), Array(repeating: 0.0, count: d))
        for row in 0..<d {
            let (start, product) = (row * (row + 1) / 2, products[row] * today)
            for column in 0...row { inner[column] += factor[start + column] * product }
        }
        for row in 0..<d {
            let start = row * (row + 1) / 2
            for column in 0...row { mean[row] += factor[start + column] * inner[column] }
        }
        return (mean, factor)
    }

    /// Upper triangular U with U U^T = I + today * squares: Cholesky's factor, from the last column to the first.
    private func upperFactor(today: Double) -> [Double] {
        let d = dimensions
        var u = Array(repeating: 0.0, count: d * d)
        var place = 0
        for row in 0..<d {
            for column in 0...row { u[column * d + row] = squares[place + column] * today }
            u[row * d + row] += 1
            place += row + 1
        }
        for pivot in stride(from: d - 1, through: 0, by: -1) {
            // A pivot is at least the ridge, 1; rounding after rewards were taken back may take a little off it.
            let root = max(u[pivot * d + pivot], 0.5).squareRoot()
            u[pivot * d + pivot] = root
            for row in 0..<pivot { u[row * d + pivot] /= root }
            let parts = (0..<pivot).map { u[$0 * d + pivot] }
            for row in 0..<pivot where parts[row] != 0 {
                for column in row..<pivot { u[row * d + column] -= parts[row] * parts[column] }
            }
        }
        return u
    }

    /// The inverse of an upper triangular matrix, in its place.
    private static func invert(_ u: inout [Double], _ d: Int) {
        for row in stride(from: d - 1, through: 0, by: -1) {
            let diagonal = 1 / u[row * d + row]
            let old = Array(u[(row * d)..<((row + 1) * d)])
            for column in row..<d { u[row * d + column] = column == row ? diagonal : 0 }
            for middle in (row + 1)..<max(row + 1, d) where old[middle] != 0 {
                let part = -old[middle] * diagonal
                for column in middle..<d { u[row * d + column] += part * u[middle * d + column] }
            }
        }
    }
}
