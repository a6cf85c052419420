public import Routing
import Synchronization

/// What was spent of every budget. A request reserves the worst case before it is sent and settles what it did cost, so that
/// requests in flight together cannot spend more than there is.
public final class BudgetBook: Sendable {
    /// Who spends: a route as a whole, one client token of it, or an experiment.
    public struct Account: Hashable, Sendable {
        let owner: String
        public let budget: Budget
        /// The hash of a client's token; 0 for the whole.
        public var token: UInt64

        public init(owner: String, budget: Budget, token: UInt64 = 0) {
            (self.owner, self.budget, self.token) = (owner, budget, token)
        }
    }

    struct Page: Sendable {
        /// Which period of its length the money was spent in.
        var period: Int64
        var spent: Int64 = 0
        var reserved: Int64 = 0
    }

    private let pages = Mutex<[Account: Page]>([:])
    /// Accounts that are kept at a time; when they are all of the present period, a new client waits for the next one.
    public static let accountsMax = 100_000

    public init() {}

    /// What became of an attempt to reserve.
    public enum Reservation: Equatable, Sendable {
        case reserved
        /// So much is left, less than is needed.
        case exhausted(left: Int64)
        case tooManyAccounts
    }

    /// Sets money aside. `now` is in milliseconds of UTC.
    public func reserve(_ amount: Int64, of account: Account, at now: Int64) -> Reservation {
        pages.withLock { pages in
            let period = BudgetBook.period(account.budget, now)
            var page = pages[account] ?? Page(period: period)
            if pages[account] == nil, pages.count >= BudgetBook.accountsMax {
                BudgetBook.forget(&pages, at: now)
                guard pages.count < BudgetBook.accountsMax else { return .tooManyAccounts }
            }
            if page.period != period { (page.period, page.spent) = (period, 0) }
            let left = account.budget.nanoUSD - page.spent - page.reserved
            defer { pages[account] = page }
            guard amount <= left else { return .exhausted(left: max(0, left)) }
            page.reserved += amount
            return .reserved
        }
    }

    /// Gives back what was reserved and takes what was spent.
    public func settle(reserved: Int64, spent: Int64, of account: Account, at now: Int64) {
        pages.withLock { pages in
            let period = BudgetBook.period(account.budget, now)
            var page = pages[account] ?? Page(period: period)
            if page.period != period { (page.period, page.spent) = (period, 0) }
            page.reserved = max(0, page.reserved - reserved)
            page.spent += spent
            pages[account] = page
        }
    }

    /// What was spent in the present period.
    public func spent(of account: Account, at now: Int64) -> Int64 {
        pages.withLock { pages in
            guard let page = pages[account], page.period == BudgetBook.period(account.budget, now) else { return 0 }
            return page.spent
        }
    }

    /// Milliseconds of UTC at which the present period ends; nil for one that never does.
    public static func end(of budget: Budget, at now: Int64) -> Int64? {
        budget.per.milliseconds.map { (period(budget, now) + 1) * $0 }
    }

    /// Milliseconds of UTC at which the present period began; 0 for one that never ends.
    public static func start(of budget: Budget, at now: Int64) -> Int64 {
        budget.per.milliseconds.map { period(budget, now) * $0 } ?? 0
    }

    private static func period(_ budget: Budget, _ now: Int64) -> Int64 { budget.per.milliseconds.map { now / $0 } ?? 0 }

    private static func forget(_ pages: inout [Account: Page], at now: Int64) {
        pages = pages.filter { $0.value.reserved > 0 || $0.value.period == period($0.key.budget, now) }
    }
}
