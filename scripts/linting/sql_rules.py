"""The house rules of sql/**. Each rule takes a file and yields (line, message)."""

import re

from .sqltext import code_of, statements_of

FUNCTION_LINES = 60
FILE_LINES = 300
COLUMNS = 120

# What each folder may hold; everything else belongs elsewhere. Matched against a statement's head.
ALLOWED = {
    "functions": r"create or replace (function|procedure|aggregate) |comment on (function|procedure|aggregate) ",
    "views": r"create or replace view |comment on (view|column) ",
    "policies": r"alter table \S+ (enable|force) row level security"
    r"|(drop policy if exists|create policy|create or replace trigger|comment on (policy|trigger)) ",
    "rules": r"select monitoring_internal\.load_alert_rule ?\(",
    "grants.sql": r"(grant|revoke|alter default privileges) ",
    # Optional and run by hand: nothing loads it.
    "scale-out": r"do\b|select create_distributed_table ?\(",
}
# What a migration may not hold: it is replaceable, so it lives once in its folder and is reloaded.
REPLACEABLE = (
    r"\bcreate (or replace )?(function|procedure|aggregate|view|recursive view|trigger|constraint trigger|policy|rule)\b"
)
CLOCK = (
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random)\s*\("
    r"|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b"
)
KEYWORDS = re.compile(
    r"\b(SELECT|FROM|WHERE|INSERT|INTO|UPDATE|DELETE|CREATE|ALTER|DROP|TABLE|FUNCTION|PROCEDURE|RETURNS|BEGIN|END|IF|THEN"
    r"|ELSE|LOOP|AND|OR|NOT|NULL|JOIN|ON|GRANT|REVOKE|SET|RETURN|RAISE|EXCEPTION|LANGUAGE|COMMENT|ORDER|GROUP|BY)\b"
)
PINNED = "set search_path = pg_catalog, pg_temp"


def folder_of(path):
    """functions, views, policies, migrations, collectors, rules or grants.sql of a path below sql/."""
    return path.split("/")[1]


def check_file(path, text, own_functions):
    """Every finding in one file of sql/."""
    folder = folder_of(path)
    yield from check_layout(path, folder, text)
    if folder == "collectors":
        return
    for statement in statements_of(text):
        yield from check_kind(folder, text, statement, own_functions)
        if statement.name:
            yield from check_function(text, statement)
        if statement.body:
            yield from check_body(text, statement)


def check_layout(path, folder, text):
    """Header, width, length and letter case."""
    lines = text.split("\n")
    head = [line for line in lines[:12] if not line.startswith("--!")]
    header_lines = next((i for i, line in enumerate(head) if not line.startswith("--")), len(head))
    wanted = {"functions": 3, "collectors": 0}.get(folder, 1)
    if header_lines < wanted:
        yield 1, f"the file begins with {header_lines} comment lines, not with {wanted}: path and purpose, what it owns and writes, concurrency"
    own_name = "/".join(path.split("/")[2:] if folder == "functions" else path.split("/")[1:])
    if folder in ("functions", "views", "policies", "rules") and not lines[0].startswith(f"-- {own_name}: "):
        yield 1, f'the first line does not begin with "-- {own_name}: "'
    if len(lines) - 1 > FILE_LINES and folder != "grants.sql":
        yield FILE_LINES, f"the file has {len(lines) - 1} lines, more than {FILE_LINES}"
    if not text.endswith("\n"):
        yield len(lines), "the last line has no end"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield number, f"{len(line)} columns, more than {COLUMNS}"
        if line != line.rstrip() or "\t" in line:
            yield number, "a tab, or blanks at the end"
    for match in KEYWORDS.finditer(code_of(text)):
        yield line_at(text, match.start()), f"keyword {match[0]} in capitals"


def check_kind(folder, text, statement, own_functions):
    """Each kind of statement in its own folder, and migrations without code."""
    if folder in ALLOWED:
        if not re.match(ALLOWED[folder], statement.head):
            yield statement.line, f'"{shortened(statement.head)}" does not belong in {folder}'
        return
    if folder != "migrations":
        yield statement.line, f"sql/{folder} is no folder of pgvigil"
        return
    everything = re.sub(r"\s+", " ", statement.code).lower()
    if re.search(REPLACEABLE, everything) and not re.match("drop ", statement.head):
        yield statement.line, "code that can be replaced does not belong in a migration, only its drop"
    installs = re.match(r"(--![^\n]*\n)*--! as-installer\b", text)
    if re.search(r"\b(grant|revoke)\b[^;]*\b(to|from)\b", everything) and not installs:
        yield statement.line, "grants belong in sql/grants.sql"
    if re.match("(comment on|drop) ", statement.head):
        return
    for match in re.finditer(r"\bmonitoring(?:_internal)?\.(\w+)\s*\(", everything):
        if match[1] in own_functions:
            yield statement.line, f"a migration calls {match[1]}(), which is loaded after it"


def check_function(text, statement):
    """Length, comment above, clause order, pinned search path."""
    length = statement.last_line - statement.line + 1
    if length > FUNCTION_LINES:
        yield statement.line, f"{statement.name} has {length} lines, more than {FUNCTION_LINES}"
    above = text.split("\n")[statement.line - 2] if statement.line > 1 else ""
    if not above.startswith("--"):
        yield statement.line, f"{statement.name} has no comment above it"
    is_procedure = " procedure " in statement.head[:30]
    language = re.search(r"\blanguage (\w+)\b(.*)$", statement.head)
    if not language:
        yield statement.line, f"{statement.name} names no language after its arguments"
        return
    if is_procedure:
        if "commit" in statement.body and "set local search_path = pg_catalog, pg_temp" not in statement.body:
            yield statement.line, f"procedure {statement.name} commits without set local search_path"
        return
    clauses = r" (volatile|stable|immutable) parallel (safe|restricted|unsafe)( strict)?( security definer)?"
    tail = language[2].removesuffix(" as")
    if not re.match(clauses + r"((?: cost| rows| support)\b.*)?( set .*)?$", tail):
        yield statement.line, (
            f'{statement.name}: after "language {language[1]}" come volatility, parallel, strict, security, set; found "{tail.strip()}"'
        )
    is_bound = re.search(r"\bbegin\s+atomic\b", statement.code)
    if PINNED not in statement.head and ("security definer" in statement.head or not is_bound):
        yield statement.line, f'{statement.name} does not pin its path with "{PINNED}"'


def check_body(text, statement):
    """What may not stand inside a body."""
    body = statement.body
    raw = text.split("\n")

    def line_of(match):
        return statement.body_line + body.count("\n", 0, match.start())

    for match in re.finditer(r"\bexecute\b[^;]*?\|\|", body, re.IGNORECASE):
        yield line_of(match), "execute next to ||: use format with %I and %L, and using for values"
    for match in re.finditer(r"\bwhen\s+others\b", body, re.IGNORECASE):
        number = line_of(match)
        if not any("--" in line for line in raw[number - 2 : number + 1]):
            yield number, "when others without a comment giving its reason"
    if statement.name and count_statements(body) > 1:
        for match in re.finditer(CLOCK, body, re.IGNORECASE):
            yield line_of(match), (
                f"{match[0].rstrip('(').strip()} in {statement.name}: take p_now, and read the clock in a wrapper of one statement"
            )


def count_statements(body):
    """The statements of a body; those that a wrapper needs around its only one are not counted."""
    body = re.sub(r"^\s*(begin|end)\b(?!\s*(loop|if|case))", "", body.strip(), flags=re.IGNORECASE)
    parts = [re.sub(r"\s+", " ", part).strip().lower() for part in body.split(";")]
    ignored = r"(end|return (new|old|null)|set local search_path = pg_catalog, pg_temp|commit|)$"
    return sum(1 for part in parts if not re.match(ignored, part))


def line_at(text, position):
    """The number of the line at a position."""
    return text.count("\n", 0, position) + 1


def shortened(head):
    """The beginning of a statement, for a message."""
    return head if len(head) <= 60 else head[:57] + "..."


def functions_in(files):
    """name → (path, line) of every function and procedure of sql/functions."""
    found = {}
    for path, text in files.items():
        if folder_of(path) == "functions":
            for statement in statements_of(text):
                if statement.name:
                    found[statement.name] = (path, statement.line)
    return found


def check_mentions(files, tests):
    """Every function is named by a test: (path, line, message)."""
    words = set(re.findall(r"\w+", "\n".join(tests)))
    for name, (path, line) in functions_in(files).items():
        if name not in words:
            yield path, line, f"no file of Tests/ names {name}"
