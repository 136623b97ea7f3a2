"""The line of each key of a TOML text that is known to parse. Pure; says nothing where it is not sure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_STATEMENT = re.compile(rf"[ \t]*(?:\[(\[?)[ \t]*({_DOTTED})[ \t]*\]\]?|({_DOTTED})[ \t]*=[ \t]*)")
_PARTS = re.compile(_KEY)
_VALUE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'|#[^\n]*|[\[\]{}]",
    re.DOTALL,
)
Path = tuple[str, ...]
DEEPEST = 20


def key_lines(text: str) -> dict[Path, int]:
    """Dotted key -> the number of its line (the first is 1); tables have the line of their header."""
    found: dict[Path, int] = {}
    table: Path | None = ()
    number, counted = 1, 0
    for start, many, header, entry in _statements(text):
        number, counted = number + text.count("\n", counted, start), start
        path = _path(header or entry)
        if header:
            table = None if many else path  # an array of tables: which of them, is not sure
            path = path or ()
        elif table is None or path is None:
            continue
        else:
            path = table + path
        for end in range(1, len(path)):
            found.setdefault(path[:end], number)
        if path:
            found[path] = number
    return found


def _statements(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Where each statement begins, whether it opens one of many tables, its header or its key."""
    at = 0
    while at < len(text):
        found = _STATEMENT.match(text, at)
        if found:
            yield at, found[1] or "", found[2] or "", found[3] or ""
            at = found.end() if found[2] else _value_end(text, found.end())
        at = text.find("\n", at) + 1 or len(text)


def _value_end(text: str, at: int) -> int:
    """Where a value ends, or where it began when it cannot reach into another line."""
    if not text.startswith(("[", "{", '"""', "'''"), at):
        return at
    depth = 0
    for token in _VALUE.finditer(text, at):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(text)


def _path(dotted: str) -> Path | None:
    parts = _PARTS.findall(dotted)
    if len(parts) > DEEPEST or any(part[0] == '"' and "\\" in part for part in parts):
        return None
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in parts)


def line_of(lines: dict[Path, int], path: tuple[str | int, ...]) -> int | None:
    """The line of a key; for one that is not written, or lies inside a value, that of what would hold it."""
    names = tuple(part for part in path if isinstance(part, str))
    for end in range(len(names), 0, -1):
        if names[:end] in lines:
            return lines[names[:end]]
    return None
