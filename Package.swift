// swift-tools-version: 6.2
import PackageDescription

// The map of the house: a target may import only what stands above it (docs/architecture.md).

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// For the modules of the loops. Each object there belongs to one thread; that no two accesses overlap is checked in every
/// debug build and test, and costs 5 % of a request's CPU time in a release.
let loopSettings = settings + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

func door(_ name: String) -> Target { .systemLibrary(name: name, path: "Sources/C/\(name)") }

func ground(_ name: String, _ dependencies: [Target.Dependency] = [], _ settings: [SwiftSetting] = settings) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/Ground/\(name)", swiftSettings: settings)
}

func module(_ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting] = settings) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let doors: [Target] = [
    door("CSQLite"), door("COpenSSL"), door("CYAML"), door("CCurl"), door("CLinux"),
    .target(name: "CJSON", path: "Sources/C/CJSON", linkerSettings: [.linkedLibrary("simdjson")]),
    // Loops over gradients: optimised in debug builds too, and nothing of it visible outside the shared library.
    .target(
        name: "CCollectives", path: "Sources/C/CCollectives",
        cSettings: [.unsafeFlags(["-O3", "-fvisibility=hidden"])]),
    .target(name: "CGRPC", path: "Sources/C/CGRPC"),
    .target(name: "CBoundProcess", path: "Sources/C/CBoundProcess"),
]

let groundFloor: [Target] = [
    ground("Faults"),
    ground("JSON", ["CJSON", "Faults"]),
    ground("Telemetry", ["JSON"]),
    ground("Arguments", ["Faults", "JSON"]),
    ground("YAML", ["CYAML", "Faults", "JSON"]),
    ground("SQL", ["CSQLite", "Faults"]),
    ground("Sockets", ["CLinux", "COpenSSL", "Faults"], loopSettings),
    ground("Processes", ["CBoundProcess", "CLinux", "Faults"]),
    ground("HTTP", ["CCurl", "Faults", "JSON", "Sockets", "Telemetry"], loopSettings),
    ground("Statistics"),
    ground("RPC", ["CGRPC", "CLinux", "Faults", "JSON", "Telemetry"]),
]

let house: [Target] = [
    module("Ledger", ["COpenSSL", "Faults", "JSON", "SQL", "Telemetry"]),
    module("Registry", ["Faults", "JSON", "Ledger", "YAML"]),
    module("Routing", ["Faults", "JSON", "Ledger", "Registry", "Statistics", "Telemetry", "YAML"]),
    module("Outcomes", ["Faults", "JSON", "Routing", "SQL", "Telemetry"]),
    module("Providers", ["Faults", "JSON", "Ledger", "Registry", "Routing", "Sockets", "Telemetry", "YAML"]),
    module("Conducting", ["Faults", "JSON", "Ledger", "Telemetry"]),
    module(
        "Releases",
        [
            "Conducting", "Faults", "HTTP", "JSON", "Ledger", "Outcomes", "Processes", "Registry", "Routing", "Statistics",
            "Telemetry", "YAML",
        ]
    ),
    module(
        "Experiments",
        ["Conducting", "Faults", "JSON", "Ledger", "Outcomes", "Registry", "Routing", "Statistics", "Telemetry", "YAML"]
    ),
    module("Worker", ["Faults", "JSON", "Processes", "RPC", "Sockets", "Telemetry"]),
    module(
        "Training",
        [
            "Conducting", "Faults", "JSON", "Ledger", "Processes", "RPC", "Registry", "Sockets", "Telemetry", "Worker", "YAML",
        ]),
    module("Collectives", ["CCollectives"], loopSettings),
    // What Python loads: the Swift runtime is inside, and only the C interface can be seen.
    .target(
        name: "CollectivesLibrary", dependencies: ["CCollectives", "Collectives"], exclude: ["exports.map"],
        swiftSettings: loopSettings,
        linkerSettings: [
            .unsafeFlags([
                "-static-stdlib", "-Xlinker", "--exclude-libs=ALL", "-Xlinker", "--gc-sections",
                "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/CollectivesLibrary/exports.map",
            ])
        ]),
    module(
        "Gateway",
        [
            "CJSON", "CLinux", "Faults", "HTTP", "JSON", "Outcomes", "Providers", "Registry", "Routing", "Sockets", "Statistics",
            "Telemetry",
        ],
        loopSettings),
    module(
        "ControlPlane",
        [
            "Experiments", "Faults", "Gateway", "HTTP", "JSON", "Ledger", "Outcomes", "Providers", "Registry", "Releases",
            "Routing", "SQL",
            "Sockets",
            "Telemetry", "Training", "YAML",
        ]
    ),
    module(
        "Commands",
        [
            "Arguments", "ControlPlane", "Experiments", "Faults", "HTTP", "JSON", "Ledger", "Routing", "Sockets", "Telemetry",
            "Statistics", "Training", "Worker", "YAML",
        ]
    ),
    .executableTarget(name: "openclaw", dependencies: ["Commands"], swiftSettings: settings),
    .executableTarget(
        name: "openclaw-validate",
        dependencies: ["Experiments", "JSON", "Outcomes", "Releases", "Routing", "Statistics", "Telemetry"],
        path: "Benchmarks/Validate", swiftSettings: settings),
    .executableTarget(
        name: "openclaw-appends", dependencies: ["Faults", "JSON", "Ledger"], path: "Benchmarks/Appends", swiftSettings: settings),
    .executableTarget(
        name: "openclaw-bandits", dependencies: ["Experiments", "Routing", "Statistics"], path: "Benchmarks/Bandits",
        swiftSettings: settings),
    .executableTarget(
        name: "openclaw-analysis", dependencies: ["Experiments", "JSON", "Statistics"], path: "Benchmarks/Analysis",
        swiftSettings: settings),
    .executableTarget(
        name: "openclaw-scheduling", dependencies: ["Faults", "JSON", "Ledger", "Training"], path: "Benchmarks/Scheduling",
        swiftSettings: settings),
    .target(name: "AllocationCounter", path: "Benchmarks/AllocationCheck/Counter"),
    .executableTarget(
        name: "openclaw-allocations", dependencies: ["AllocationCounter", "Gateway", "HTTP", "Outcomes", "Routing"],
        path: "Benchmarks/AllocationCheck/Check", swiftSettings: settings),
]

let rooms: [Target] = [
    .target(name: "TestFolders", path: "Tests/TestFolders", swiftSettings: settings),
    .target(name: "TestSockets", dependencies: ["Faults", "Sockets"], path: "Tests/TestSockets", swiftSettings: settings),
    tests("JSONTests", ["Faults", "JSON"]),
    tests("TelemetryTests", ["JSON", "Telemetry"]),
    tests("ArgumentsTests", ["Arguments", "Faults", "JSON", "Processes", "TestFolders"]),
    tests("YAMLTests", ["Faults", "JSON", "YAML"]),
    tests("SQLTests", ["Faults", "SQL", "TestFolders"]),
    tests("ProcessesTests", ["Faults", "Processes", "TestFolders"]),
    tests("HTTPTests", ["Faults", "HTTP", "JSON", "Sockets", "Statistics", "TestSockets"]),
    tests("StatisticsTests", ["JSON", "Statistics"]),
    tests("RPCTests", ["Faults", "RPC", "Sockets", "TestFolders"]),
    tests("LedgerTests", ["Faults", "JSON", "Ledger", "SQL", "Telemetry", "TestFolders"]),
    tests("ConductingTests", ["Conducting", "Faults", "JSON", "Ledger", "Telemetry", "TestFolders"]),
    tests("RegistryTests", ["Faults", "JSON", "Ledger", "Registry", "TestFolders", "YAML"]),
    tests("RoutingTests", ["Faults", "JSON", "Ledger", "Registry", "Routing", "Statistics", "TestFolders", "YAML"]),
    tests("OutcomesTests", ["Faults", "JSON", "Outcomes", "Routing", "Statistics", "Telemetry", "TestFolders"]),
    tests("GatesTests", ["Faults", "JSON", "Outcomes", "Releases", "Routing", "Statistics", "Telemetry", "YAML"]),
    tests("ProvidersTests", ["Faults", "JSON", "Ledger", "Providers", "Routing", "Sockets", "Statistics", "TestFolders", "YAML"]),
    tests(
        "ReleasesTests",
        [
            "Conducting", "Faults", "HTTP", "JSON", "Ledger", "Outcomes", "Processes", "Registry", "Releases", "Routing", "Sockets",
            "Statistics",
            "Telemetry", "TestFolders", "YAML",
        ]
    ),
    tests(
        "ExperimentsTests",
        ["Conducting", "Experiments", "Faults", "JSON", "Outcomes", "Routing", "Statistics", "Telemetry", "TestFolders", "YAML"]),
    tests("CollectivesTests", ["CCollectives", "Collectives", "Processes", "Statistics", "TestFolders"]),
    tests("WorkerTests", ["JSON", "RPC", "TestFolders", "Worker"]),
    tests("TrainingTests", ["Conducting", "Faults", "RPC", "Telemetry", "TestFolders", "Training", "Worker", "YAML"]),
    tests(
        "GatewayTests",
        [
            "CLinux", "Faults", "Gateway", "HTTP", "JSON", "Outcomes", "Processes", "Providers", "Registry", "Routing", "Sockets",
            "Statistics", "Telemetry", "TestFolders", "TestSockets",
        ]),
    tests(
        "ControlPlaneTests",
        [
            "ControlPlane", "Faults", "Gateway", "HTTP", "JSON", "Ledger", "Outcomes", "Routing", "Sockets", "Telemetry",
            "TestFolders", "TestSockets",
        ]),
    tests("CommandsTests", ["Arguments", "Commands", "Faults", "HTTP", "JSON", "Telemetry", "TestFolders"]),
    tests(
        "Simulation",
        [
            "Conducting", "Experiments", "Faults", "JSON", "Ledger", "Outcomes", "Registry", "Releases", "Routing", "SQL",
            "Statistics",
            "Telemetry",
            "TestFolders", "YAML",
        ]
    ),
    tests("EndToEndTests", ["Faults", "HTTP", "JSON", "openclaw", "Processes", "RPC", "TestFolders", "Worker"]),
    tests("TidyTests", ["Processes", "TestFolders"]),
]

let package = Package(
    name: "openclaw",
    products: [
        .executable(name: "openclaw", targets: ["openclaw"]),
        .executable(name: "openclaw-validate", targets: ["openclaw-validate"]),
        .executable(name: "openclaw-allocations", targets: ["openclaw-allocations"]),
        .executable(name: "openclaw-bandits", targets: ["openclaw-bandits"]),
        .library(name: "openclaw_collectives", type: .dynamic, targets: ["CollectivesLibrary"]),
    ],
    targets: doors + groundFloor + house + rooms,
    cLanguageStandard: .c2x,
    cxxLanguageStandard: .cxx17
)
