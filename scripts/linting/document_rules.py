"""Documents that must agree with the code: the table of defects, the list of error codes."""

import re

# The defects that were found in the designs pgvigil grew from, by area.
DEFECTS = {"S": 24, "L": 33, "R": 15, "A": 23, "C": 20, "X": 20, "E": 12, "P": 17, "G": 15}
ROW = re.compile(r"^\| ([A-Z]-\d\d) \| (.+?) \| (.+) \|$", re.MULTILINE)
FATES = ("test: ", "waits for: ", "not testable: ")
ERROR_ROW = re.compile(r"^\| (PV[0-9A-Z]{3}) \| (.+?) \| (.+) \|$", re.MULTILINE)
RAISED = re.compile(r"'(PV[0-9A-Z]{3})'")


def check_defects(text, read):
    """Every defect has one row, and every test named exists. `read` gives a file's text, or None."""
    expected = [f"{area}-{number:02}" for area, count in DEFECTS.items() for number in range(1, count + 1)]
    rows = ROW.findall(text)
    found = [row[0] for row in rows]
    for defect in expected:
        if found.count(defect) != 1:
            yield f"{defect} has {found.count(defect)} rows, not one"
    for defect in sorted(set(found) - set(expected)):
        yield f"{defect} is no known defect"
    for defect, _, fate in rows:
        if not fate.startswith(FATES):
            yield f'{defect}: begin with one of {", ".join(repr(each.strip()) for each in FATES)}'
        elif fate.startswith("test: "):
            yield from (f"{defect}: {fault}" for fault in faults_of_tests(fate.removeprefix("test: "), read))


def faults_of_tests(fate, read):
    """What is wrong with "path › name; path › name"."""
    for part in fate.split("; "):
        path, separator, name = part.partition(" › ")
        if not separator or not name.strip():
            yield f'"{part}" is not "file › test"'
            continue
        text = read(path)
        if text is None:
            yield f"{path} does not exist"
        elif not names_test(path, text, name.strip()):
            yield f'{path} has no test "{name.strip()}"'


def names_test(path, text, name):
    """A function of that name in Swift, a description in pgTAP."""
    if path.endswith(".swift"):
        return re.search(rf"\bfunc `?{re.escape(name)}`?\s*[(<]", text) or f'"{name}"' in text
    return "'" + name.replace("'", "''") + "'" in text


def check_errors(text, sources, tests):
    """Every code raised is explained and tested, and every code explained is raised."""
    explained = [row[0] for row in ERROR_ROW.findall(text)]
    raised = {}
    for path, source in sources.items():
        for code in RAISED.findall(source):
            raised.setdefault(code.upper(), path)
    tested = set(re.findall(r"PV[0-9A-Z]{3}", "\n".join(tests)))
    for code, path in sorted(raised.items()):
        if explained.count(code) != 1:
            yield f"{code}, raised in {path}, has {explained.count(code)} rows, not one"
        if code not in tested:
            yield f"{code}, raised in {path}, is not tested"
    for code in sorted(set(explained) - set(raised)):
        yield f"{code} is explained and never raised"


LOG_CALL = re.compile(r'\blog\.(debug|info|warning|error)\(')
LOG_EVENT = re.compile(r'\blog\.(debug|info|warning|error)\(\s*"((?:[^"\\]|\\.)*)"\s*(?:,\s*\[(.*?)\]\s*)?\)', re.DOTALL)
LOG_KEY = re.compile(r'"(\w+)"\s*:')
LOG_ROW = re.compile(r"^\| `([^`]+)` \| ([a-z, ]+) \| ([a-z_, –]+) \| (.+) \|$", re.MULTILINE)


def check_log_events(text, sources):
    """Every event that Swift logs is listed with its levels and keys, and nothing else is. `sources`: path → text."""
    logged = {}
    for path, source in sources.items():
        events = LOG_EVENT.findall(source)
        if len(events) != len(LOG_CALL.findall(source)):
            yield f"{path} logs an event that is no literal text"
        for level, event, fields in events:
            levels, keys = logged.setdefault(event, (set(), set()))
            levels.add(level)
            keys.update(LOG_KEY.findall(fields))
    listed = {}
    # The first table of its form is that of the options.
    for event, levels, keys, _ in LOG_ROW.findall(text.partition("## The log")[2]):
        if event in listed:
            yield f'the event "{event}" is listed twice'
        listed[event] = (set(levels.split(", ")), {key for key in keys.split(", ") if key != "–"})
    for event in sorted(set(logged) | set(listed)):
        if event not in listed:
            yield f'the event "{event}" is logged and not listed'
        elif event not in logged:
            yield f'the event "{event}" is listed and never logged'
        elif logged[event] != listed[event]:
            levels, keys = logged[event]
            yield f'the event "{event}" is logged as {", ".join(sorted(levels))} with {", ".join(sorted(keys)) or "no key"}'
