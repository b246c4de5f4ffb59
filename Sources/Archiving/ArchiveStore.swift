import Postgres
import Runtime

/// A day that this process has in hand.
package struct ClaimedArchive: Sendable, Equatable {
    /// Its number.
    package let id: Int64
    /// What reports need.
    let fence: Int64
    /// write, verify, remove or restore.
    package let action: String
    /// The retention class.
    package let retentionClass: String
    /// The day of UTC.
    package let day: String
    let generation: Int
    let destination: String?
    let fileName: String?
    /// What names of files of this store end in.
    let mark: String

    /// Reads a row of `claim_archive`.
    init(row: PostgresRow) throws(PostgresError) {
        id = try row.decode("archive_id")
        fence = try row.decode("fence")
        action = try row.decode("action")
        retentionClass = try row.decode("retention_class")
        day = try row.decode("day")
        generation = try row.decode("generation")
        destination = row["destination"]
        fileName = row["file_name"]
        mark = try row.decode("file_mark")
    }

    /// The name of a file that nobody else writes: the mark is this store's, the fence this claim's alone.
    var newName: String {
        "\(retentionClass)/\(day.prefix(4))/\(retentionClass)-\(day)-\(generation + 1)-\(fence)-\(mark).gz"
    }
}

/// The store's side of archiving: what is to be done, and what became of it.
struct ArchiveStore: Sendable {
    /// A call that takes longer means that the server hangs; those that count a day's samples may take their time.
    private static let limit = Duration.seconds(300)

    let connection: PostgresConnection
    let instanceID: String

    /// The next day that is due.
    func claim() async throws(PostgresError) -> ClaimedArchive? {
        guard let row = try await call("select * from monitoring_internal.claim_archive($1::uuid)", [instanceID]).first
        else { return nil }
        return try ClaimedArchive(row: row)
    }

    /// A certain day, for verify or restore.
    func claim(_ id: Int64, _ action: String) async throws(PostgresError) -> ClaimedArchive {
        try ClaimedArchive(
            row: try await call(
                "select * from monitoring_internal.claim_archive($1::uuid, $2::bigint, $3)",
                [instanceID, String(id), action]
            ).single())
    }

    @inline(never)
    func facts(_ claim: ClaimedArchive) async throws(PostgresError) -> ArchiveFacts {
        try ArchiveFacts(
            row: try await call(
                "select * from monitoring_internal.archive_facts($1::bigint)", [String(claim.id)]
            ).single())
    }

    /// A sign of life.
    func hold(_ claim: ClaimedArchive) async throws(PostgresError) {
        _ = try await call("select monitoring_internal.hold_archive($1::bigint, $2::bigint)", key(claim))
    }

    func finish(
        _ claim: ClaimedArchive, destination: String, name: String, _ facts: ArchiveFacts
    ) async throws(PostgresError) {
        _ = try await call(
            "select monitoring_internal.finish_archive($1::bigint, $2::bigint, $3, $4, $5::jsonb)",
            key(claim) + [destination, name, facts.manifest])
    }

    /// What a reading found; nil for nothing wrong.
    @inline(never)
    func check(_ claim: ClaimedArchive, fault: String?) async throws(PostgresError) {
        _ = try await call(
            "select monitoring_internal.check_archive($1::bigint, $2::bigint, $3)", key(claim) + [fault])
    }

    func removed(_ claim: ClaimedArchive) async throws(PostgresError) {
        _ = try await call("select monitoring_internal.remove_archive($1::bigint, $2::bigint)", key(claim))
    }

    /// Gives a day back; it is tried again later when there is an error.
    func fail(_ claim: ClaimedArchive, error: String?) async throws(PostgresError) {
        _ = try await call(
            "select monitoring_internal.fail_archive($1::bigint, $2::bigint, $3)", key(claim) + [error])
    }

    /// Opens a restoration, so that the store keeps what comes.
    func beginRestore(_ claim: ClaimedArchive, keep: Duration?) async throws(PostgresError) {
        _ = try await call(
            """
            select monitoring_internal.begin_restore(
                $1::bigint, $2::bigint, make_interval(secs => $3::float8))
            """, key(claim) + [keep.map { String($0.inSeconds) }])
    }

    /// Stores what a line holds; how many samples were not there.
    func restore(_ claim: ClaimedArchive, _ line: ArchiveLine) async throws(PostgresError) -> Int {
        try await call(
            """
            select monitoring_internal.restore_series(
                $1::bigint, $2::bigint, $3::uuid, $4, $5, $6, $7::jsonb, $8::bigint[], $9::float8[]) as stored
            """, key(claim) + line.fields
        ).single().decode("stored")
    }

    /// Stores what lines say beside the samples of a series; how many were not there.
    func restore(
        _ claim: ClaimedArchive, _ details: [String], of series: ArchiveLine
    ) async throws(PostgresError) -> Int {
        try await call(
            """
            select monitoring_internal.restore_details(
                $1::bigint, $2::bigint, $3::uuid, $4, $5, $6, $7::jsonb, $8::jsonb[]) as stored
            """, key(claim) + series.fields.prefix(5).map { $0 } + [ArrayText.text(details)]
        ).single().decode("stored")
    }

    /// Which of the files in a place no archive knows, though they are ours by name.
    func orphans(_ files: [PlacedFile]) async throws(PostgresError) -> [ArchiveOrphan] {
        let rows = try await call(
            "select * from monitoring_internal.archive_orphans($1::text[], $2::float8[])",
            [ArrayText.text(files.map(\.name)), ArrayText.text(files.map { String($0.modifiedAt) })])
        return try rows.map { (row) throws(PostgresError) in try ArchiveOrphan(row: row) }
    }

    /// From which age on what is left behind may go.
    func orphanAge() async throws(PostgresError) -> Duration {
        .seconds(
            try await call("select extract(epoch from monitoring_internal.archive_orphan_age())::float8 as age", [])
                .single().decode("age", as: Double.self))
    }

    /// Where archives have files.
    func destinations() async throws(PostgresError) -> [String] {
        try await call("select destination from monitoring_internal.archive_destinations()", []).compactMap { $0[0] }
    }

    /// Ends a restoration; it is refused unless the store has as many samples as the file, and as many details.
    func finishRestore(_ claim: ClaimedArchive) async throws(PostgresError) {
        _ = try await call("select monitoring_internal.finish_restore($1::bigint, $2::bigint)", key(claim))
    }

    /// How long until something is due; nil when nothing is.
    func delayUntilNext() async throws(PostgresError) -> Duration? {
        let answer = try await call("select extract(epoch from monitoring_internal.next_archive_delay())::float8", [])
        guard let text = answer.scalar, let seconds = Double(text) else { return nil }
        return .seconds(seconds)
    }

    private func key(_ claim: ClaimedArchive) -> [String?] { [String(claim.id), String(claim.fence)] }

    private func call(_ statement: String, _ parameters: [String?]) async throws(PostgresError) -> PostgresRows {
        try await connection.query(statement, parameters, timeout: Self.limit)
    }
}
