-- 0037: where a claim begins to look, so that it does not walk over all that was delivered before.

alter table monitoring.destination_states
    add column scan_from_at timestamptz not null default '-infinity',
    add column scanned_at timestamptz not null default '-infinity';

comment on column monitoring.destination_states.scan_from_at is
    'Nothing that waits was due before this when it was last looked for; claims begin here.';
comment on column monitoring.destination_states.scanned_at is
    'When a claim last began at the very first: what was committed late is found then.';
comment on column monitoring.destination_states.consecutive_failures is
    'Failures since the last success, up to those that open the breaker; then one more each time it was asked again.';
