"""What a person's terminal is given: text, and nothing that commands it."""

from __future__ import annotations

# What moves the cursor, colours, or turns the direction of text: C0 but the tab, DEL, C1, and Unicode's own.
RANGES = ((0, 9), (10, 32), (127, 160), (0x2028, 0x202F), (0x2066, 0x206A))
COMMANDS = frozenset(chr(code) for begin, end in RANGES for code in range(begin, end))


def visible(line: str) -> str:
    r"""A line as it may be shown: a file's name, which it tells, may hold a line end or an escape.

    >>> visible("1 B logs/new\nline")
    '1 B logs/new\\nline'
    """
    if line.isprintable():
        return line
    return "".join(repr(char)[1:-1] if char in COMMANDS else char for char in line)
