import Postgres
import Testing

@testable import Collection

/// Tables that somebody locks, or waits to lock, while they are measured.
@Suite struct LockedTablesTests {
    private static let gaps = """
        select string_agg(gap.labels ->> 'relname' || ': ' || gap.reason, ', ' order by gap.collector_gap_id)
        from monitoring.collector_gaps as gap
        where gap.ended_at is null and gap.labels <> '{}'
        """

    private func series(_ fixture: Fixture, of table: String) async throws -> Double? {
        try await fixture.newest("pg_stat_user_tables_seq_scan", "{\"relname\": \"\(table)\"}")
    }

    @Test("an exclusively locked table is a gap with its reason; the collector and all other tables go on")
    func held() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute("create table busy (); create table calm ()")
            try await shop.execute("begin; lock table busy in access exclusive mode")
            let run = try #require(try await fixture.collect("tables")["tables"])
            #expect(run.status == "ok")
            #expect(run.seconds < 5)
            #expect(try await series(fixture, of: "busy") == nil)
            #expect(try await series(fixture, of: "calm") == 0)
            #expect(try await fixture.scalar(Self.gaps) == "busy: an access exclusive lock is held on it")
            try await shop.execute("commit")
            try await fixture.collect("tables")
            #expect(try await series(fixture, of: "busy") == 0)
            #expect(try await fixture.scalar(Self.gaps) == nil)
            await shop.close()
        }
    }

    @Test("a table with an exclusive lock queued behind a reader is a gap too, and nothing waits")
    func queued() async throws {
        try await Fixture.withDatabase { fixture in
            let reader = try await fixture.application()
            let changer = try await fixture.application()
            try await reader.execute("create table busy (id integer); create table calm ()")
            try await reader.execute("begin; select count(*) from busy")
            async let change: Void = changer.execute("alter table busy add column note text")
            #expect(try await fixture.waitUntilBlocked(changer))
            let run = try #require(try await fixture.collect("tables")["tables"])
            #expect(run.status == "ok")
            #expect(run.seconds < 5)
            #expect(try await series(fixture, of: "busy") == nil)
            #expect(try await series(fixture, of: "calm") == 0)
            #expect(try await fixture.scalar(Self.gaps) == "busy: an access exclusive lock on it is awaited")
            try await reader.execute("commit")
            try await change
            await reader.close()
            await changer.close()
        }
    }

    @Test("every collector that is shipped finishes while a table is locked and another lock is queued behind it")
    func allCollectors() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.admin.execute("create extension pg_stat_statements")
            try await fixture.admin.execute("update monitoring.collectors set is_enabled = true")
            let shop = try await fixture.application()
            let other = try await fixture.application()
            try await shop.execute("create table busy ()")
            try await shop.execute("begin; lock table busy in access exclusive mode")
            async let queued: Void = other.execute("drop table busy")
            #expect(try await fixture.waitUntilBlocked(other))
            let runs = try await fixture.collect()
            #expect(runs.count > 8)
            for (name, run) in runs {
                // A collector may be for later versions.
                let isOfLaterVersion = name == "io" && run.reason?.contains("no query of it runs") == true
                #expect(run.status == "ok" || isOfLaterVersion, "\(name): \(run.reason ?? "")")
            }
            try await shop.execute("commit")
            try await queued
            await shop.close()
            await other.close()
        }
    }

    @Test("a collector that does want a lock gives up after the lock limit, is logged as skipped, and holds up nobody")
    func wantsLock() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute("create table busy ()")
            try await fixture.load("sizes", body: "select pg_relation_size('public.busy') as value")
            try await fixture.load("calm", body: "select 1 as value")
            // Its statement is found while the table is free.
            #expect(try await fixture.collect("sizes")["sizes"]?.status == "ok")
            try await shop.execute("begin; lock table busy in access exclusive mode")
            let runs = try await fixture.collect("sizes", "calm")
            let run = try #require(runs["sizes"])
            #expect(run.status == "skipped")
            #expect(run.sqlState == "55P03")
            #expect((0.09...4).contains(run.seconds), "took \(run.seconds) s")
            #expect(runs["calm"]?.status == "ok")
            #expect(
                try await fixture.scalar(
                    """
                    select gap.status || ' ' || gap.sqlstate from monitoring.collector_gaps as gap
                    where gap.ended_at is null
                    """) == "skipped 55P03")
            await shop.close()
        }
    }
}
