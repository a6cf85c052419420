import Arguments

/// `openclaw provider apply FILE...`
enum ProviderApply {
    static let command = Command(
        "provider apply", summary: "Apply `provider:` files", parameters: [.operands("FILE", "The files")]
    ) { invocation in
        let body = try ApplyBody.make(of: invocation.values("FILE"), only: "provider")
        let answer = try await APIClient(invocation).post("/api/v1/apply", body)
        Output(invocation).show(answer) { style in Apply.text(answer, style) }
    }
}
