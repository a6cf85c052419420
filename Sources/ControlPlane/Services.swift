import Experiments
import Faults
import Gateway
import Ledger
import Outcomes
import Providers
import Registry
import Releases
import Routing
import Training

/// The capabilities of one installation, restored from its ledger and connected to each other.
struct Services: Sendable {
    let ledger: LedgerWriter
    let registry: RegistryService
    let providers: ProviderService
    let routes: RouteService
    let outcomes: OutcomeStore
    let releases: ReleaseService
    let experiments: ExperimentService
    let training: TrainingService
    let tokens: TokenService
}
