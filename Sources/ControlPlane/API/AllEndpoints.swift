/// Everything the control API does. The router and the OpenAPI document are both made from this list.
enum AllEndpoints {
    static let list: [Endpoint] =
        HealthRoutes.endpoints + ApplyRoutes.endpoints + RegistryRoutes.endpoints + PromptRoutes.endpoints
        + ProviderRoutes.endpoints + TrafficRoutes.endpoints
        + ReleaseRoutes.endpoints + ExperimentRoutes.endpoints + TrainingRoutes.endpoints + NodeRoutes.endpoints
        + OutcomeRoutes.endpoints + EvaluationDoor.endpoints + TokenRoutes.endpoints + AuditRoutes.endpoints + EventRoutes.endpoints
}
