import Experiments
import Faults
import Gateway
import Glibc
import JSON
import Ledger
import Outcomes
import Releases
import Telemetry
import Training

/// `/metrics`: the gateway's figures, and beside them what the control plane and the process say.
enum MetricsPage {
    static func text(of daemon: Daemon) async -> String {
        var page = PrometheusText()
        await daemon.gateway?.writeMetrics(to: &page)
        await writeControlPlane(daemon, to: &page)
        writeProcess(daemon, to: &page)
        return page.text
    }

    private static func writeControlPlane(_ daemon: Daemon, to page: inout PrometheusText) async {
        page.family("openclaw_ready", .gauge, help: "1 when everything that was applied is served.")
        page.sample("openclaw_ready", [], await daemon.unreadiness() == nil ? 1 : 0)
        page.family("openclaw_exposures_lost_total", .counter, help: "Exposures that the outcome store could not keep.")
        page.sample("openclaw_exposures_lost_total", [], Double(await daemon.exposures.lost))
        // Without a database these have no value, and a scrape must not fail for it.
        guard let services = try? daemon.services() else { return }
        if let entries = try? await services.ledger.reader.count() {
            page.family("openclaw_ledger_entries", .gauge, help: "Entries recorded.")
            page.sample("openclaw_ledger_entries", [], Double(entries))
        }
        writeLedger(await services.ledger.figures, to: &page)
        var hindered = await services.releases.hindrances().count + services.experiments.hindrances().count
        hindered += await services.training.hindrances().count
        page.family("openclaw_not_conducted", .gauge, help: "Releases, experiments and jobs that this version reads otherwise.")
        page.sample("openclaw_not_conducted", [], Double(hindered))
        let releases = await services.releases.list()
        page.family("openclaw_releases", .gauge, help: "Releases by state.")
        for (state, group) in Dictionary(grouping: releases, by: { $0["state"]?.stringValue ?? "" }).sorted(by: { $0.key < $1.key })
        {
            page.sample("openclaw_releases", [("state", state)], Double(group.count))
        }
        for (name, value) in (await services.outcomes.counters().objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let number = value.numberValue else { continue }
            page.family("openclaw_outcomes_\(name)", .gauge, help: "Of the outcome store: \(name).")
            page.sample("openclaw_outcomes_\(name)", [], number)
        }
    }

    private static func writeLedger(_ figures: LedgerWriter.Figures, to page: inout PrometheusText) {
        page.family("openclaw_ledger_appends_total", .counter, help: "Appends by what became of them.")
        page.sample("openclaw_ledger_appends_total", [("outcome", "recorded")], Double(figures.appended))
        page.sample("openclaw_ledger_appends_total", [("outcome", "moved")], Double(figures.moved))
        page.sample("openclaw_ledger_appends_total", [("outcome", "cannot_record")], Double(figures.unrecorded))
        page.family("openclaw_ledger_transactions_total", .counter, help: "Durable transactions that recorded entries.")
        page.sample("openclaw_ledger_transactions_total", [], Double(figures.transactions))
        page.family("openclaw_ledger_checkpoints_total", .counter, help: "Checkpoints signed.")
        page.sample("openclaw_ledger_checkpoints_total", [], Double(figures.checkpoints))
    }

    /// The names Prometheus' own client libraries use.
    private static func writeProcess(_ daemon: Daemon, to page: inout PrometheusText) {
        page.family("process_start_time_seconds", .gauge, help: "Start time, Unix seconds.")
        page.sample("process_start_time_seconds", [], Double(daemon.startedAt.milliseconds) / 1_000)
        var usage = rusage()
        if unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let (user, system) = (usage.ru_utime, usage.ru_stime)
            let seconds = Double(user.tv_sec + system.tv_sec) + Double(user.tv_usec + system.tv_usec) / 1e6
            page.family("process_cpu_seconds_total", .counter, help: "User and system time.")
            page.sample("process_cpu_seconds_total", [], seconds)
        }
        if let pages = residentPages() {
            page.family("process_resident_memory_bytes", .gauge, help: "Resident memory.")
            page.sample("process_resident_memory_bytes", [], pages * Double(sysconf(Int32(_SC_PAGESIZE))))
        }
    }

    private static func residentPages() -> Double? {
        guard let text = try? TextFile.read("/proc/self/statm", bytesMax: 4_096) else { return nil }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? Double(fields[1]) : nil
    }
}
