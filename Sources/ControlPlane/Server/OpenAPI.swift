import JSON

/// The API's description, OpenAPI 3.1, made from the endpoints that are served.
enum OpenAPI {
    static func document(for endpoints: [Endpoint], version: String) -> JSONValue {
        var paths: [String: JSONValue] = [:]
        for endpoint in endpoints {
            var operations = paths[endpoint.path]?.objectValue ?? [:]
            operations[endpoint.method.rawValue.lowercased()] = operation(endpoint)
            paths[endpoint.path] = .object(operations)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "OpenClaw control API", "version": .string(version),
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
                "summary": "Take a model from its training script to live users, and take it back the moment it misbehaves.",
            ],
            "paths": .object(paths),
            "components": [
                "securitySchemes": [
                    "token": [
                        "type": "http", "scheme": "bearer",
                        "description":
                            "A token with the scope an operation names (`openclaw token create`). `admin` includes all, `operate` includes `read`.",
                    ]
                ],
                "schemas": ["Fault": fault.json],
            ],
        ]
    }

    /// What every refusal looks like.
    static let fault = Schema.object([
        "error": .object([
            "what": .string("What happened"), "why": .string("Why"), "fix": .string("How to mend it"),
        ])
    ])

    private static func operation(_ endpoint: Endpoint) -> JSONValue {
        var operation: [String: JSONValue] = [
            "summary": .string(endpoint.summary), "operationId": .string(identifier(endpoint)),
            "responses": [
                "200": .object(["description": "Done"].merging(content(endpoint.gives)) { first, _ in first }),
                "default": [
                    "description": "Refused: what happened, why, and how to mend it",
                    "content": ["application/json": ["schema": ["$ref": "#/components/schemas/Fault"]]],
                ],
            ],
        ]
        let parameters =
            endpoint.parameters.map { name -> JSONValue in
                ["name": .string(name), "in": "path", "required": true, "schema": ["type": "string"]]
            }
            + endpoint.query.map { item -> JSONValue in
                [
                    "name": .string(item.name), "in": "query", "required": .bool(item.required),
                    "description": .string(item.about), "schema": ["type": "string"],
                ]
            }
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        if let takes = endpoint.takes {
            operation["requestBody"] = ["required": true, "content": ["application/json": ["schema": takes.json]]]
        }
        switch endpoint.access {
        case .open: operation["security"] = []
        case .openOnLoopback: operation["security"] = [[:], ["token": ["read"]]]
        case .scope(let scope): operation["security"] = [["token": [.string(scope.rawValue)]]]
        }
        return .object(operation)
    }

    private static func content(_ gives: Endpoint.Gives) -> [String: JSONValue] {
        switch gives {
        case .json(let schema): ["content": ["application/json": ["schema": schema.json]]]
        case .text(let type): ["content": .object([type: ["schema": ["type": "string"]]])]
        case .events(let about):
            ["description": .string(about), "content": ["text/event-stream": ["schema": ["type": "string"]]]]
        }
    }

    /// `GET /api/v1/releases/{name}/explain` is `get_releases_name_explain`.
    private static func identifier(_ endpoint: Endpoint) -> String {
        let words = endpoint.segments.filter { $0 != "api" && $0 != "v1" }
            .map { String(Endpoint.parameter($0) ?? $0).replacing(".", with: "_") }
        return ([endpoint.method.rawValue.lowercased()] + words).joined(separator: "_")
    }
}
