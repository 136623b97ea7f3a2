"""Values as TOML text, in one line each. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')
_TIME = re.compile(r"\d\d:\d\d:\d\d")


def toml(value: object) -> str:
    """A value as TOML writes it; a text that is a time of day becomes one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if _TIME.fullmatch(value) else quoted(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{bare(str(key))} = {toml(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(each) for each in value)}]"
    return str(value)


def quoted(text: str) -> str:
    """A text in TOML's double quotes."""
    return '"' + _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04X}"), text) + '"'


def bare(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else quoted(key)
