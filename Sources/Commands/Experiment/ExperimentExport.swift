import Arguments

/// `openclaw experiment export NAME [--format csv|jsonl]`
enum ExperimentExport {
    static let command = Command(
        "experiment export", summary: "Exposures and outcomes of an experiment, one to a line",
        discussion: "With --json it is --format jsonl. Units are written as the hashes they are kept as.",
        parameters: [.operand("NAME", "The experiment"), .option("format", "csv|jsonl", "Standard: csv")]
    ) { invocation in
        let output = Output(invocation)
        let format = invocation.value("format") ?? (output.isJSON ? "jsonl" : "csv")
        let path = "/api/v1/experiments/\(APIClient.segment(invocation.operand("NAME")))/export?format=\(APIClient.segment(format))"
        for await chunk in try await APIClient(invocation).text(path) { output.write(bytes: chunk) }
    }
}
