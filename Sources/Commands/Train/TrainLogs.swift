import Arguments
import Faults

/// `openclaw train logs NAME [-f] [--rank N] [--tail N]`
enum TrainLogs {
    static let command = Command(
        "train logs", summary: "What a job's ranks wrote; -f follows until it has ended",
        discussion: "Each line begins with the moment it was written at (UTC) and the rank that wrote it.",
        parameters: [
            .operand("NAME", "The job"), .flag("f", "Follow until the job has ended"), .flag("follow", "The same as -f"),
            .option("rank", "N", "Of this rank alone"), .option("tail", "N", "So many last lines of each rank; standard 1000"),
        ]
    ) { invocation in
        var query: [String] = []
        for name in ["rank", "tail"] {
            guard let value = invocation.value(name) else { continue }
            guard Int(value) != nil else {
                throw Fault(.usage, what: "--\(name) cannot be '\(value)'.", why: "A whole number is expected.", fix: "Give one.")
            }
            query.append("\(name)=\(value)")
        }
        if invocation.has("f") || invocation.has("follow") { query.append("follow=true") }
        let path = "/api/v1/jobs/\(APIClient.segment(invocation.operand("NAME")))/logs"
        let output = Output(invocation)
        let chunks = try await APIClient(invocation).text(query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))")
        for await chunk in chunks { output.write(bytes: chunk) }
    }
}
