-- Queues :n messages of about a kilobyte in turns of the endpoints whose name is like :like, a thousand a transaction.
select count(*) as most from monitoring.webhook_endpoints where endpoint_name like :'like' \gset
select format(
    $$ select count(monitoring.send_webhook_notification(endpoint.id, 'order.made',
            jsonb_build_object('n', n, 'text', repeat('x', 800))))
        from generate_series(%s, %s) as n
        inner join (select id, row_number() over (order by endpoint_name) as place
            from monitoring.webhook_endpoints where endpoint_name like %L) as endpoint on endpoint.place = 1 + n %% %s $$,
    first, least(first + 999, :n), :'like', :most)
from generate_series(1, :n, 1000) as first \gexec
