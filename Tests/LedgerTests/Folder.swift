import TestFolders

@testable import Ledger

typealias Folder = TemporaryFolder

extension LedgerWriter.Settings {
    /// Signs only when it is told to: for tests that count checkpoints on a machine of any speed.
    static var unhurried: LedgerWriter.Settings {
        var settings = LedgerWriter.Settings()
        settings.checkpointInterval = .seconds(1_000_000)
        return settings
    }
}
