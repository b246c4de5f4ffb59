import Postgres
import Runtime
import TestSupport
import Testing

@testable import Scheduling

/// Two sessions at once, step by step: who waits for whom, and who may end a run.
@Suite struct InterleavingTests {
    private static let limit = Duration.seconds(20)

    /// A session of a service, and the runs it claims.
    private struct Worker {
        let connection: PostgresConnection
        let instance = InstanceID()

        static func open(_ stage: Stage) async throws -> Worker {
            let configuration = PostgresConfiguration(conninfo: stage.conninfo, applicationName: "worker")
            return Worker(connection: try await PostgresConnection.connect(configuration))
        }

        /// Claims for this very session.
        func claim(_ count: Int = 1) async throws -> [ClaimedRun] {
            let rows = try await connection.query(
                """
                select run.* from monitoring_internal.session_identity() as me
                cross join lateral monitoring_internal.claim_due(
                    $1, array_fill(me.backend_pid, array[$2::integer]),
                    array_fill(me.backend_started_at, array[$2::integer])) as run
                """, [instance.description, String(count)], timeout: limit)
            return try Claim(rows: rows).runs
        }

        func call(_ function: String, _ run: ClaimedRun) async throws {
            try await connection.execute(
                "select monitoring_internal.\(function)(\(run.id), \(run.fence))", timeout: limit)
        }
    }

    private func withWorkers(_ body: @escaping (Stage, Worker, Worker) async throws -> Void) async throws {
        try await Stage.with { stage in
            try await stage.schedule("mark", "@yearly", "select public.leave_mark('mark')")
            let first = try await Worker.open(stage)
            let second = try await Worker.open(stage)
            let result: Result<Void, any Error>
            do { result = .success(try await body(stage, first, second)) } catch { result = .failure(error) }
            await first.connection.close()
            await second.connection.close()
            try result.get()
        }
    }

    @Test("of two claims at once each gets other runs, and none waits", .timeLimit(.minutes(1)))
    func claimsAtOnce() async throws {
        try await withWorkers { stage, first, second in
            for _ in 1...3 { _ = try await stage.value("select monitoring.run_job('mark')") }
            try await first.connection.execute("begin")
            try await second.connection.execute("begin")
            let mine = try await first.claim(2)
            let yours = try await second.claim(2)
            try await first.connection.execute("commit")
            try await second.connection.execute("commit")
            #expect(mine.count == 2)
            #expect(yours.count == 1)
            #expect(Set(mine.map(\.id)).isDisjoint(with: yours.map(\.id)))
            #expect(try await second.claim(2).isEmpty)
        }
    }

    @Test("of two ticks at once one opens the slot, and the other does not wait", .timeLimit(.minutes(1)))
    func ticksAtOnce() async throws {
        try await withWorkers { stage, first, second in
            try await stage.asSuperuser {
                try await $0.execute(
                    "update monitoring.job_state set next_due_at = now() - interval '1 s', next_slot_at = now() - interval '1 s'"
                )
            }
            try await first.connection.execute("begin")
            #expect(try await first.claim().count == 1)
            #expect(try await second.claim().isEmpty)
            try await first.connection.execute("commit")
            #expect(try await second.claim().isEmpty)
            #expect(try await stage.value("select due_total from monitoring.job_slot_balance") == "1")
        }
    }

    @Test("neither heartbeat nor reaper nor tick waits for a run that is about to commit", .timeLimit(.minutes(1)))
    func nobodyWaits() async throws {
        try await withWorkers { stage, first, second in
            _ = try await stage.value("select monitoring.run_job('mark')")
            let run = try #require(try await first.claim().first)
            try await first.connection.execute("begin")
            try await first.call("start_run", run)
            try await first.connection.execute(run.command)
            try await first.call("finish_run", run)
            // The end is written and not committed: its lease is locked.
            let beat = try await second.connection.query(
                "select monitoring_internal.extend_leases($1)", [first.instance.description], timeout: Self.limit)
            #expect(beat.scalar == "0")
            let reaped = try await second.connection.query(
                "select * from monitoring_internal.reap_runs()", timeout: Self.limit)
            #expect(reaped.isEmpty)
            #expect(try await second.claim().isEmpty)
            try await first.connection.execute("commit")
            try await stage.expectInvariants()
            #expect(try await stage.value("select count(*) from public.effects") == "1")
        }
    }

    @Test("a run given to another service rolls back what its slow first holder did", .timeLimit(.minutes(1)))
    func staleEffect() async throws {
        try await withWorkers { stage, first, second in
            _ = try await stage.value("select monitoring.run_job('mark')")
            let old = try #require(try await first.claim().first)
            try await first.connection.execute("begin")
            try await first.call("start_run", old)
            try await first.connection.execute(old.command)
            try await second.call("release_run", old)
            let new = try #require(try await second.claim().first)
            #expect(new.id == old.id && new.fence == old.fence + 1)
            let refusal = await #expect(throws: PostgresError.self) { try await first.call("finish_run", old) }
            #expect(refusal?.sqlState == "PV101")
            try await first.connection.execute("rollback")
            try await second.connection.execute("begin")
            try await second.call("start_run", new)
            try await second.connection.execute(new.command)
            try await second.call("finish_run", new)
            try await second.connection.execute("commit")
            #expect(try await stage.value("select count(*) from public.effects") == "1")
            try await stage.expectInvariants()
        }
    }

    @Test("a query whose client was killed blocks the next run, which is skipped", .timeLimit(.minutes(1)))
    func overlap() async throws {
        try await withWorkers { stage, first, second in
            _ = try await stage.value("select monitoring.run_job('mark')")
            let run = try #require(try await first.claim().first)
            try await first.connection.execute("begin")
            try await first.call("start_run", run)
            // The backend goes on, whatever becomes of client, lease and ledger.
            try await stage.asSuperuser {
                try await $0.execute(
                    "delete from monitoring.job_leases; update monitoring.job_totals set uncertain_total = 1, requested_total = 1"
                )
            }
            _ = try await stage.value("select monitoring.run_job('mark')")
            let next = try #require(try await second.claim().first)
            try await second.connection.execute("begin")
            let refusal = await #expect(throws: PostgresError.self) { try await second.call("start_run", next) }
            #expect(refusal?.sqlState == "PV102")
            try await second.connection.execute("rollback")
            let status = try await second.connection.query(
                "select monitoring_internal.fail_run($1, $2, 'PV102', 'x', null, null, 0)",
                [String(next.id), String(next.fence)])
            #expect(status.scalar == "skipped")
            #expect(try await stage.value("select reason from monitoring.job_runs") == "overlap")
            try await first.connection.execute("rollback")
            _ = try await stage.value("select monitoring.run_job('mark')")
            let third = try #require(try await second.claim().first)
            try await second.connection.execute("begin")
            try await second.call("start_run", third)
        }
    }

    @Test(
        "a run whose session is gone is settled at once: failed where its effect rolled back, else uncertain",
        .timeLimit(.minutes(1)), arguments: [("transaction", "failed"), ("procedure", "uncertain")])
    func lostSession(mode: String, status: String) async throws {
        try await withWorkers { stage, first, second in
            let command = mode == "procedure" ? "call public.nothing()" : "select public.leave_mark('lost')"
            try await stage.schedule("lost", "@yearly", command, ", mode => '\(mode)'")
            _ = try await stage.value("select monitoring.run_job('lost')")
            let run = try #require(try await first.claim().first)
            try await first.call("start_run", run)
            await first.connection.close()
            try await stage.expect(
                "select count(*) from pg_stat_activity where pid = \(run.backendPID)", "0")
            _ = try await second.connection.query("select * from monitoring_internal.reap_runs()")
            #expect(try await stage.value("select status from monitoring.job_runs") == status)
            #expect(try await stage.value("select reason from monitoring.job_runs") == "backend_lost")
            try await stage.expectInvariants()
        }
    }

    @Test("a lease that lapses costs its backend the query, then the session, then the run", .timeLimit(.minutes(1)))
    func abandoned() async throws {
        try await withWorkers { stage, first, second in
            try await stage.asSuperuser {
                try await $0.execute(
                    "update monitoring.settings set value = '100 ms' where name = 'scheduling.signal_pause'")
            }
            _ = try await stage.value("select monitoring.run_job('mark')")
            let run = try #require(try await first.claim().first)
            try await first.connection.execute("begin")
            try await first.call("start_run", run)
            try await second.call("abandon_run", run)
            // Idle in its transaction, the backend ignores being cancelled.
            var actions: [String] = []
            while actions.last != "failed", actions.count < 100 {
                let rows = try await second.connection.query("select status from monitoring_internal.reap_runs()")
                actions += rows.compactMap { $0["status"] }
                try await ContinuousClock().sleep(for: .milliseconds(50))
            }
            #expect(actions == ["cancel", "terminate", "failed"])
            #expect(try await stage.value("select signal_count from monitoring.job_run_attempts") == "2")
            try await stage.expectInvariants()
        }
    }

    @Test("a COMMIT whose answer was lost is found in the ledger", .timeLimit(.minutes(1)))
    func lostCommit() async throws {
        try await withWorkers { stage, first, second in
            _ = try await stage.value("select monitoring.run_job('mark')")
            let run = try #require(try await first.claim().first)
            try await first.connection.execute("begin")
            try await first.call("start_run", run)
            try await first.connection.execute(run.command)
            try await first.call("finish_run", run)
            try await first.connection.execute("commit")
            let abandoned = try await second.connection.query(
                "select monitoring_internal.abandon_run($1, $2)", [String(run.id), String(run.fence)])
            #expect(abandoned.scalar == "f")
            #expect(try await stage.value("select status from monitoring.job_runs") == "succeeded")
            try await stage.expectInvariants()
        }
    }
}
