import Postgres
import Runtime
import TestSupport
import Testing

/// `pgvigil deliveries` on a queue with one message that failed, one that is dead and one whose receiver is disabled.
@Suite struct DeliveriesCommandTests {
    private static let planted = """
        select monitoring.add_endpoint(gen_random_uuid(), name, 'webhook', 'https://' || name || '.example/in',
            'pgvigil:v1:0a1b2c3d:QUJDRA==') from unnest(array['ops', 'off', 'dying']) as name;
        update monitoring.webhook_endpoints set retry_attempts = 0 where endpoint_name = 'dying';
        select monitoring.send_webhook_notification(id, 'order.made', '{}') from monitoring.webhook_endpoints
        order by endpoint_name = 'off', endpoint_name = 'ops';
        select monitoring.set_endpoint_active('off', false);
        select monitoring_internal.ack_deliveries('00000000-0000-4000-8000-000000000001', array_agg(delivery_id),
            array_agg(fence), array_agg(503), array_agg(null::text), array_agg('600'::text), array_agg('busy'::text),
            array_agg(0.1::float8))
        from monitoring_internal.claim_deliveries('00000000-0000-4000-8000-000000000001', 10);
        """

    @Test(
        "deliveries are listed, shown, retried, replayed and drained, and what is refused says why and how to mend it")
    func operates() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            try await connection.execute(Self.planted)
            let message =
                try await connection.query(
                    "select 'msg_' || replace(message_id::text, '-', '') from monitoring.dead_letters"
                ).scalar ?? ""
            await connection.close()
            for (words, status, text) in [
                (["list"], 0, "order.made  failed"),
                (["list", "--state", "held", "--json"], 0, "\"receiver\":\"off\""),
                (["list", "--endpoint", "ops", "--since", "1h"], 0, "status 503"),
                (["list", "--endpoint", "opps"], 23, "there is no endpoint \"opps\"; Names: pgvigil endpoints list"),
                (["list", "--state", "lost"], 1, "there is no state \"lost\""),
                (["show", "2"], 0, "last error"),
                (["show", message], 0, "status 503"),
                (["show", message, "--json"], 0, "{\"field\":\"message\",\"value\":\"\(message)\"}"),
                (["show", "77"], 23, "there is no delivery 77"),
                (["retry"], 2, "give the number of a delivery, or --endpoint NAME"),
                (["retry", "1"], 1, "Queue it again: pgvigil deliveries replay 1"),
                (["retry", "3"], 1, "pgvigil endpoints enable"),
                (["retry", "2"], 0, "delivery 2 is due now"),
                (["retry", "--endpoint", "ops"], 24, "nothing failed at ops and waits"),
                (["dead"], 52, "status 503"),
                (["replay", "x"], 2, "\"x\" is no number of a delivery"),
                (["replay", "1"], 0, "queued again as delivery 4, the same message"),
                (["replay", "1"], 1, "delivery 1 is queued again already, as 4"),
                (["replay", "--endpoint", "dying"], 24, "nothing to queue again for dying"),
                (["dead"], 0, "nothing was given up"),
                (["drain", "--wait", "1s"], 51, "inactive: by hand"),
                (["drain", "--endpoint", "off", "--json"], 51, "\"remedy\":\"pgvigil endpoints enable 'off'\""),
            ] as [([String], Int32, String)] {
                let report = try await CommandLineProgram.run(
                    ["deliveries"] + words, environment: ["PGVIGIL_DSN": database.conninfo])
                #expect(report.ending == .exited(status), "\(words): \(report.errors)")
                #expect((report.output + report.errors).contains(text), "\(words): \(report.output)\(report.errors)")
            }
        }
    }

    @Test("who keeps the table of the queue from being cleaned is named, with the statement that ends it")
    func horizon() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            let holder = try await database.connect()
            try await holder.execute("begin isolation level repeatable read; select 1")
            let pid = try await holder.query("select pg_backend_pid()").scalar ?? ""
            let found = try await admin.query(
                "select holder || ' ' || remedy from monitoring_internal.delivery_horizon_at(0, '0', clock_timestamp())"
            )
            #expect(found.scalar?.hasPrefix("session \(pid) of ") == true, "\(found.scalar ?? "nobody")")
            #expect(found.scalar?.hasSuffix("select pg_terminate_backend(\(pid));") == true)
            try await holder.execute("commit")
            let after = try await admin.query(
                "select holder from monitoring_internal.delivery_horizon_at(0, '0', clock_timestamp())")
            let holds = after.contains { $0[0]?.contains("session \(pid) ") == true }
            #expect(!holds)
            await holder.close()
            await admin.close()
        }
    }
}
