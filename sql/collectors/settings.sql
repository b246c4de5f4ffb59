-- settings.sql: the server's settings: each number as a metric, each change as a row of monitoring.setting_changes.
--! collector settings
--! every 5min
--! scope instance
--! tier normal
--! cap 2000
--! sink settings
--! needs role pg_monitor

-- Values are the server's own. Where this session has another, that of RESET is taken; what only the session's start
-- decided, and what describes the session and not the server, is left out. Secrets do not leave the server: a whole
-- value whose name says that it is one, and within other texts what looks like one.
--! query settings
--! column name
--! column value
--! column unit
--! column vartype
--! column source
--! column is_pending_restart
--! version 15-
select
    known.name,
    case
        when known.vartype <> 'string' then own.value
        when own.value <> ''
            and (
                known.name in ('ssl_passphrase_command', 'krb_server_keyfile')
                or known.name ~ '\.' and known.name ~* '(key|secret|pass|pwd|token|credential)')
            then '********'
        else regexp_replace(
            regexp_replace(
                own.value,
                -- Up to a blank, since a password may have any sign, and a backslash before a blank or a quote:
                -- password=x, PGPASSWORD=x, AWS_SECRET_ACCESS_KEY=x, --password x, Token: x, Bearer x, curl -u me:x
                '((pass(word|wd|phrase)?|pwd|secret|token|credential|key)[a-z0-9_-]*\s*[=:]\s*|'
                    '--?(pass|secret|token|key)[a-z0-9_-]*\s+|'
                    'sshpass\s+-p\s*|(bearer|basic)\s+|\s(-u|--user)[= ]*[^:\s]+:)'
                    '("[^"]*"|''([^''\\]|\\.)*''|([^\s\\]|\\.)+)',
                '\1********', 'gi'),
            -- user:password@host
            '(://[^/\s:@]*:)\S+@', '\1********@', 'g')
    end as value,
    known.unit,
    known.vartype,
    case when known.source = 'session' then 'default' else known.source end as source,
    known.pending_restart as is_pending_restart
from pg_settings as known
cross join lateral (
    select case when known.source = 'session' then known.reset_val else known.setting end as value
) as own
where known.source <> 'client'
    and known.name <> all (array[
        'application_name', 'client_encoding', 'is_superuser', 'role', 'seed', 'session_authorization',
        'transaction_isolation'])
order by known.name
