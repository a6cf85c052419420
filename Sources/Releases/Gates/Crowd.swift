/// Who is left out so that all others are heard.
///
/// One user who sends most of the answers leaves hardly more than one user's worth of evidence: the design effect of the sum is
/// that of its greatest part. So a gate keeps a second count, of the crowd: answers of users who had not yet sent too many of
/// them. Whether an answer is the crowd's is known before it comes, from counts alone, so that a wealth over the crowd's
/// answers is one over a thinned sequence: it has the same right to its verdict. Until somebody is left out the two counts are
/// one and the same.
enum Crowd {
    /// A sixteenth at most: the crowd's answers are then worth those of sixteen users at least.
    static let parts: Int64 = 16
    /// Nobody is left out for less.
    static let answersMin: Int64 = 8

    /// Whether the next answer of a unit that gave `count` of `total` answers is not the crowd's.
    static func leavesOut(unitWith count: Int64, of total: Int64) -> Bool { count >= max(answersMin, total / parts) }
}
