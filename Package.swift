// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours is compiled alike: Swift 6, warnings are errors, imports are internal unless said otherwise.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

func library(_ name: String, _ dependencies: [Target.Dependency], plugins: [Target.PluginUsage] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict, plugins: plugins)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: strict)
}

let package = Package(
    name: "pgvigil",
    products: [
        .executable(name: "pgvigil", targets: ["pgvigil"])
    ],
    targets: [
        // System libraries and the one C shim target.
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "CShims", dependencies: ["CCurl", "CMicroHTTPD"], linkerSettings: [.linkedLibrary("crypt")]),

        // Lowest first: a target imports only targets above it in this list's order of rows, never its row's neighbours.
        library("Runtime", ["CShims"]),
        library("Postgres", ["CLibPQ", "CShims", "Runtime"]),
        library("Secrets", ["CCrypto", "Runtime"]),
        library("Configuration", ["CYAML", "Runtime"]),
        library("EmbeddedPostgres", ["Postgres", "Runtime", "CShims"]),
        library("Migrations", ["CCrypto", "Postgres", "Runtime"], plugins: ["EmbedSQL"]),
        library("Scheduling", ["Configuration", "Postgres", "Runtime"]),
        library("Collection", ["Postgres", "Runtime", "Secrets"]),
        library("Delivery", ["CCrypto", "CCurl", "CShims", "Postgres", "Runtime", "Secrets"]),
        library("Archiving", ["CCrypto", "CCurl", "CShims", "CZlib", "Postgres", "Runtime"]),
        library("Exporter", ["CCrypto", "CMicroHTTPD", "CZlib", "CShims", "Postgres", "Runtime"]),
        .executableTarget(
            name: "pgvigil",
            dependencies: [
                "Archiving", "Collection", "Configuration", "Delivery", "EmbeddedPostgres", "Exporter", "Migrations",
                "Postgres",
                "Runtime", "Scheduling", "Secrets",
            ],
            swiftSettings: strict),

        // sql/** becomes Swift source of Migrations, so that an installed pgvigil is one file.
        .executableTarget(name: "embed-sql", swiftSettings: strict),
        .plugin(name: "EmbedSQL", capability: .buildTool(), dependencies: ["embed-sql"]),

        .target(
            name: "TestSupport", dependencies: ["EmbeddedPostgres", "Migrations", "Postgres", "Runtime"],
            path: "Tests/TestSupport", swiftSettings: strict),
        .executableTarget(
            name: "delivery-process", dependencies: ["Delivery", "Postgres", "Runtime", "Secrets"],
            path: "Tests/DeliveryProcess", swiftSettings: strict),
        tests("RuntimeTests", ["Runtime"]),
        tests("SecretsTests", ["Runtime", "Secrets"]),
        tests("PostgresTests", ["Postgres", "EmbeddedPostgres", "Runtime"]),
        tests("EmbeddedPostgresTests", ["EmbeddedPostgres", "Postgres", "Runtime"]),
        tests("ConfigurationTests", ["Configuration"]),
        tests("MigrationsTests", ["Migrations", "Postgres", "EmbeddedPostgres", "Runtime"]),
        tests("SchedulingTests", ["Scheduling", "Configuration", "Postgres", "EmbeddedPostgres", "Runtime"]),
        tests("CollectionTests", ["Collection", "Postgres", "EmbeddedPostgres", "Runtime"]),
        tests("DeliveryTests", ["Delivery", "EmbeddedPostgres", "Postgres", "Runtime", "Secrets"]),
        tests("ArchivingTests", ["CCrypto", "Archiving", "EmbeddedPostgres", "Postgres", "Runtime"]),
        tests("ExporterTests", ["Exporter", "Postgres", "EmbeddedPostgres", "Runtime"]),
        tests("SQLTests", ["Postgres", "EmbeddedPostgres", "Runtime"]),
        tests("EndToEndTests", ["Migrations", "Postgres", "EmbeddedPostgres", "Runtime"]),
    ],
    swiftLanguageModes: [.v6]
)
