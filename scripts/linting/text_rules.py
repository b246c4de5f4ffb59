"""The house rules of every committed text, and of Swift beyond what the formatter checks."""

import re

SWIFT_FILE_LINES = 400
SWIFT_FUNCTION_LINES = 40

# Written so that this file does not match itself.
EVERYWHERE = {
    r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b": "unfinished work belongs in an issue, not in a comment",
    r"\bD" r"[0-4]\b(?!=)": "names a document outside the repository",
    r"/wo" r"rk/|\bshared/(design|requirements|style|research|prototypes|swift)|/tmp/te" r"am": "names a place outside the repository",
    r"\b(swift_on" r"_linux|requirements|style|design)\.m" r"d\b": "names a document outside the repository",
    r"[a-z0-9-]+\.debian\.o" r"rg\b|apt\.postgresql\.o" r"rg\b|archive\.ubuntu\.c" r"om\b": "names a package mirror; read it from the system's sources",
    r"/ro" r"ot/\.?\w|/opt/sw" r"ift|/home/[a-z]": "a path of somebody's machine",
    r"\bfarm" r"-bench\b": "names a tool outside the repository",
}
# The judge of pgTAP's output has to name TAP's own directives.
EXEMPT = {"Tests/SQLTests/TAPRun.swift", "Tests/SQLTests/TAPRunTests.swift"}

SWIFT_FORBIDDEN = {
    r"\btry!": "try! traps: throw, or use #require in a test",
    r"\bas!": "as! traps",
    r"\bfatalError\(": "fatalError traps",
    r"\bimport (XCTest|FoundationNetworking)\b": "not used here",
}
TABLE = re.compile(
    r"\b(?P<verb>from|join|into|update|only|table|truncate|copy)\s+monitoring(?:_internal|_partitions)?\.(?P<name>\w+)\s*(?P<call>\(?)",
    re.IGNORECASE,
)
# The ledger is there before any function of ours, so its keeper alone names it; COPY has to name its staging table.
LEDGER = {"schema_migrations", "reloaded_objects"}


def check_everywhere(path, text):
    """What no committed text may hold."""
    if path in EXEMPT:
        return
    for pattern, reason in EVERYWHERE.items():
        for match in re.finditer(pattern, text):
            yield line_at(text, match.start()), f"{match[0]}: {reason}"


def check_swift(path, text):
    """Length of files and functions, traps, unproved sendability, table names."""
    lines = text.split("\n")
    if len(lines) - 1 > SWIFT_FILE_LINES:
        yield SWIFT_FILE_LINES, f"the file has {len(lines) - 1} lines, more than {SWIFT_FILE_LINES}"
    for pattern, reason in SWIFT_FORBIDDEN.items():
        for match in re.finditer(pattern, text):
            yield line_at(text, match.start()), reason
    for number, line in enumerate(lines, 1):
        if "@unchecked Sendable" in line and not any("//" in near for near in lines[max(0, number - 3) : number]):
            yield number, "@unchecked Sendable without a proof beside it"
    if path.startswith("Sources/"):
        yield from check_swift_functions(lines)
        yield from check_swift_tables(path, text)


def check_swift_functions(lines):
    """Functions longer than the limit, by the indentation that the formatter guarantees."""
    opening = re.compile(r"^( *)(?:@\w+(?:\([^)]*\))? )*(?:\w+(?:\(\w+\))? )*(?:func |init[?(<]|deinit\b)")
    for start, line in enumerate(lines):
        match = opening.match(line)
        if not match or line.rstrip().endswith("}"):
            continue
        for end in range(start + 1, len(lines)):
            if lines[end].rstrip() == match[1] + "}":
                if end - start + 1 > SWIFT_FUNCTION_LINES:
                    yield start + 1, f"a function of {end - start + 1} lines, more than {SWIFT_FUNCTION_LINES}"
                break
            if lines[end].strip() and not lines[end].startswith(match[1]):
                break  # a requirement of a protocol: it has no body


def check_swift_tables(path, text):
    """Swift calls functions and names no table, but for COPY into staging and the ledger of Migrations."""
    for match in TABLE.finditer(text):
        name, verb = match["name"], match["verb"].lower()
        is_call = match["call"] == "(" and verb in ("from", "join")
        is_staging = verb == "copy" and name.startswith("staged_")
        is_ledger = name in LEDGER and path.startswith("Sources/Migrations/")
        if not (is_call or is_staging or is_ledger):
            yield line_at(text, match.start()), f"names the table or view {name}: call a function of ours"


IMPORT = re.compile(r"^[ \t]*(?:@\w+ +|public +|package +|internal +|private +|fileprivate +)*import +(?:\w+ +)?(\w+)", re.MULTILINE)


def check_imports(text, target, dependencies):
    """A target imports those of ours only that it declares. `dependencies`: target → names, for every target of ours."""
    for match in IMPORT.finditer(text):
        name = match[1]
        if name in dependencies and name != target and name not in dependencies[target]:
            yield line_at(text, match.start(1)), f"{target} imports {name} without declaring it in Package.swift"


def targets_of(package):
    """(folder → target, target → declared names) of what `swift package dump-package` prints."""
    folders, dependencies = {}, {}
    for target in package["targets"]:
        kind = {"test": "Tests", "plugin": "Plugins"}.get(target["type"], "Sources")
        folders[target.get("path") or f"{kind}/{target['name']}"] = target["name"]
        dependencies[target["name"]] = {next(iter(each.values()))[0] for each in target["dependencies"]}
    return folders, dependencies


def line_at(text, position):
    """The number of the line at a position."""
    return text.count("\n", 0, position) + 1
