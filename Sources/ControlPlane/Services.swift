import Faults
import Gateway
import Ledger
import Outcomes
import Registry
import Releases
import Routing

/// The capabilities of one installation, restored from its ledger and connected to each other.
struct Services: Sendable {
    let ledger: LedgerWriter
    let registry: RegistryService
    let routes: RouteService
    let outcomes: OutcomeStore
    let releases: ReleaseService
    let tokens: TokenService
}
