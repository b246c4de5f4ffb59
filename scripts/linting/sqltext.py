"""Reads SQL just far enough to check it: comments, strings, dollar quotes, statements and function bodies."""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<string>[eE]?'(?:[^']|'')*')
      | (?P<dollar>(?P<tag>\$\w*\$).*?(?P=tag))
      | (?P<name>"(?:[^"]|"")*")""",
    re.DOTALL | re.VERBOSE,
)


def blanked(text):
    """The same text with all but the line ends replaced by blanks."""
    return re.sub(r"[^\n]", " ", text)


def code_of(text):
    """The text with comments and the insides of strings blanked, at any depth of dollar quotes, positions kept."""

    def replace(match):
        if match["comment"] is not None:
            return blanked(match[0])
        if match["string"] is not None:
            return "'" + blanked(match[0][1:-1]) + "'"
        if match["dollar"] is not None:
            tag = match["tag"]
            return tag + code_of(match[0][len(tag):-len(tag)]) + tag
        return match[0]

    return TOKEN.sub(replace, text)


def without_bodies(code):
    """Code whose dollar-quoted parts are blanked too."""
    return re.sub(r"(\$\w*\$).*?\1", lambda match: blanked(match[0]), code, flags=re.DOTALL)


@dataclass
class Statement:
    """One top-level statement of a file."""

    line: int  # of its first word
    last_line: int
    text: str  # as written, from its first word
    code: str  # comments and strings blanked
    head: str  # code before the body, single blanks
    body: str  # code of the function's or DO block's body, "" without one
    body_line: int

    @property
    def name(self):
        """The name of the function or procedure it creates, without schema and arguments."""
        match = re.match(r"create (?:or replace )?(?:function|procedure) (?:\w+\.)?(\w+)", self.head)
        return match[1] if match else ""


def statements_of(text):
    """The statements of a file, in order."""
    code = code_of(text)
    outer = without_bodies(code)
    found = []
    start = depth = 0
    for match in re.finditer(r";|\bbegin\s+atomic\b|\bcase\b|\bend\b", outer, re.IGNORECASE):
        word = match[0].lower()
        if word == ";" and depth == 0:
            found.append(_statement(text, code, start, match.end()))
            start = match.end()
        elif word.startswith("begin"):
            depth = 1
        elif word == "case" and depth:
            depth += 1
        elif word == "end" and depth:
            depth -= 1
    if code[start:].strip():
        found.append(_statement(text, code, start, len(code.rstrip())))
    return found


def _statement(text, code, start, end):
    start += len(code[start:end]) - len(code[start:end].lstrip())
    part = code[start:end]
    quoted = re.search(r"(\$\w*\$)(.*?)\1", part, re.DOTALL)
    atomic = re.search(r"\bbegin\s+atomic\b(.*)\bend\b", part, re.DOTALL | re.IGNORECASE)
    body = quoted or atomic
    body_start = (quoted.start(2) if quoted else atomic.start(1)) if body else len(part)
    head = part[: body.start()] if body else part
    return Statement(
        line=text.count("\n", 0, start) + 1,
        last_line=text.count("\n", 0, end) + 1,
        text=text[start:end],
        code=part,
        head=re.sub(r"\s+", " ", head).strip().lower(),
        body=(quoted[2] if quoted else atomic[1]) if body else "",
        body_line=text.count("\n", 0, start + body_start) + 1,
    )
