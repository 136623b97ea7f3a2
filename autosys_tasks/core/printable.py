"""Escapes control characters, so that text cannot command the terminal that shows it."""

from __future__ import annotations

# C0 except the tab, DEL, C1, and Unicode's line separators and direction marks.
RANGES = ((0, 9), (10, 32), (127, 160), (0x2028, 0x202F), (0x2066, 0x206A))
COMMANDS = frozenset(chr(code) for begin, end in RANGES for code in range(begin, end))


def printable(line: str) -> str:
    r"""The line with control characters escaped: a file's name in it may hold a line end or an escape.

    >>> visible("1 B logs/new\nline")
    '1 B logs/new\\nline'
    """
    if line.isprintable():
        return line
    return "".join(repr(char)[1:-1] if char in COMMANDS else char for char in line)
