import Faults
import JSON
import Outcomes
import Telemetry

/// Hands the gateway's exposures to the outcome store. While the store is not open they wait here, up to a limit; what cannot
/// be kept is counted and said.
actor ExposureDelivery {
    static let waitingMax = 65_536

    private var store: OutcomeStore?
    private var waiting: [Exposure] = []
    private(set) var lost = 0
    private let log = Log("outcomes")

    func deliver(_ batch: [Exposure]) async {
        guard let store else {
            let room = ExposureDelivery.waitingMax - waiting.count
            waiting += batch.prefix(room)
            if batch.count > room { lose(batch.count - room, why: "the outcome store is not open and the waiting room is full") }
            return
        }
        do {
            try await store.record(batch)
        } catch {
            lose(batch.count, why: error.why)
        }
    }

    /// What requests to models used. It is small beside their exposures; while the store is not open it is not kept.
    func deliver(usage batch: [Usage]) async {
        guard let store else { return lose(batch.count, why: "the outcome store is not open") }
        do {
            try await store.record(usage: batch)
        } catch {
            lose(batch.count, why: error.why)
        }
    }

    /// What contextual choices looked at. While the store is not open nobody learns from it.
    func deliver(contexts batch: [Context]) async {
        guard let store else { return }
        do {
            try await store.record(contexts: batch)
        } catch {
            lose(batch.count, why: error.why)
        }
    }

    /// The store is open: what waited goes first, and what comes while that is written.
    func connect(_ store: OutcomeStore) async {
        while !waiting.isEmpty {
            let held = waiting
            waiting = []
            do {
                try await store.record(held)
            } catch {
                lose(held.count, why: error.why)
            }
        }
        self.store = store
    }

    private func lose(_ count: Int, why: String) {
        lost += count
        log.error("exposures were lost", ["count": .integer(Int64(count)), "why": .string(why)])
    }
}
