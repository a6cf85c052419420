public import Faults

/// Jobs as they came to a real cluster: a CSV file with the columns `job_id,vc,submit_s,duration_s,gpus` (in any order, others
/// are passed over), as the Philly trace is published (Jeon et al., USENIX ATC 2019).
public struct JobTrace: Equatable, Sendable {
    public struct Job: Equatable, Sendable {
        public var id: String
        /// Seconds after the first job of the trace.
        public var submitted: Int64
        /// Seconds.
        public var duration: Int64
        public var gpus: Int
        public init(id: String, submitted: Int64, duration: Int64, gpus: Int) {
            (self.id, self.submitted, self.duration, self.gpus) = (id, submitted, duration, gpus)
        }
    }
    /// In order of submission; those of one second as they stand in the file.
    public let jobs: [Job]

    public static let jobsMax = 10_000_000

    public init(jobs: [Job]) {
        let ordered = jobs.enumerated().sorted { ($0.element.submitted, $0.offset) < ($1.element.submitted, $1.offset) }
        let first = ordered.first?.element.submitted ?? 0
        self.jobs = ordered.map {
            Job(id: $0.element.id, submitted: $0.element.submitted - first, duration: $0.element.duration, gpus: $0.element.gpus)
        }
    }

    /// Reads the text of a trace; `vc` keeps the jobs of one virtual cluster. `file` is named by faults.
    public init(csv text: [UInt8], vc: String?, file: String) throws(Fault) {
        var reader = Reader(file: file)
        var jobs: [Job] = []
        var seen: Set<String> = []
        for line in text.split(separator: 0x0A, omittingEmptySubsequences: false) {
            guard let row = try reader.row(line), vc == nil || row.vc == vc else {
                if let row = reader.last { seen.insert(row) }
                continue
            }
            jobs.append(row.job)
            guard jobs.count <= JobTrace.jobsMax else {
                throw reader.fault("there are more than \(JobTrace.jobsMax) jobs", "replay a part of it")
            }
        }
        guard !jobs.isEmpty else {
            let others = seen.sorted().prefix(20).joined(separator: ", ")
            throw Fault(
                .badConfiguration, what: "\(file) has no job\(vc.map { " of virtual cluster '\($0)'" } ?? "").",
                why: seen.isEmpty ? "There is nothing after its heading." : "Its virtual clusters are \(others).",
                fix: vc == nil ? "Name a trace with jobs." : "Choose one with --vc, or leave --vc out for all jobs.")
        }
        self.init(jobs: jobs)
    }
}

extension JobTrace {
    /// Reads line after line, and knows which one a fault is about.
    private struct Reader {
        let file: String
        var line = 0
        /// Where each column stands.
        var places: (id: Int, vc: Int?, submitted: Int, duration: Int, gpus: Int)?
        /// The virtual cluster of the last row.
        var last: String?
        /// The line of each job.
        private var lines: [String: Int] = [:]

        init(file: String) { self.file = file }

        mutating func row(_ bytes: ArraySlice<UInt8>) throws(Fault) -> (vc: String?, job: Job)? {
            line += 1
            let text = String(decoding: bytes.last == 0x0D ? bytes.dropLast() : bytes, as: UTF8.self)
            if text.isEmpty { return nil }
            let cells = text.split(separator: ",", omittingEmptySubsequences: false)
            guard let places else {
                try readHeading(cells)
                return nil
            }
            let vc = places.vc.flatMap { $0 < cells.count ? String(cells[$0]) : nil }
            last = vc
            let gpus = Int(try number(cells, places.gpus, "gpus"))
            guard gpus > 0 else { throw fault("a job asks for \(gpus) GPUs", "give each job 1 at least") }
            let id = places.id < cells.count ? String(cells[places.id]) : ""
            if let other = lines.updateValue(line, forKey: id) {
                throw fault("job_id '\(id)' is that of line \(other) as well", "give each job an id of its own")
            }
            let job = Job(
                id: id,
                submitted: try number(cells, places.submitted, "submit_s"),
                duration: try number(cells, places.duration, "duration_s"), gpus: gpus)
            return (vc, job)
        }

        private mutating func readHeading(_ cells: [Substring]) throws(Fault) {
            func place(_ name: String) -> Int? { cells.firstIndex { $0 == name } }
            guard let id = place("job_id"), let submitted = place("submit_s"), let duration = place("duration_s"),
                let gpus = place("gpus")
            else {
                throw fault(
                    "the heading does not name the columns job_id, submit_s, duration_s and gpus",
                    "begin the file with `job_id,vc,submit_s,duration_s,gpus`")
            }
            places = (id, place("vc"), submitted, duration, gpus)
        }

        /// Whole seconds (or devices) of zero or more.
        private func number(_ cells: [Substring], _ place: Int, _ name: String) throws(Fault) -> Int64 {
            guard place < cells.count, let value = Int64(cells[place]), (0...1_000_000_000_000).contains(value) else {
                let found = place < cells.count ? "'\(cells[place])'" : "nothing"
                throw fault("\(name) is \(found), not a whole number of zero or more", "correct the line")
            }
            return value
        }

        func fault(_ why: String, _ fix: String) -> Fault {
            Fault(
                .badConfiguration, what: "\(file) cannot be replayed.", why: "On line \(line), \(why).",
                fix: "\(fix.prefix(1).uppercased())\(fix.dropFirst()).")
        }
    }
}
