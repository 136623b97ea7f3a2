"""Globs of autosys.toml against paths with `/`, seen from the workspace. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache


def matches(globs: Iterable[str], path: str) -> bool:
    """Whether one of the globs names this path: `*` stays in its folder, `**` does not, `folder/` is all in it."""
    return compiled(tuple(globs)).fullmatch(path) is not None


@cache
def compiled(globs: tuple[str, ...]) -> re.Pattern[str]:
    """The globs as one pattern for whole paths; none of them matches nothing."""
    return re.compile("|".join(f"(?:{_translated(glob)})" for glob in globs) or r"(?!)", re.DOTALL)


def _translated(glob: str) -> str:
    glob = glob.replace("\\", "/").removeprefix("./")
    if glob.endswith("/"):
        glob += "**"
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", glob)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in known:
        return known[part]
    if len(part) > 2 and part[0] == "[" and part[-1] == "]":
        inside = part[1:-1].replace("\\", "\\\\")
        return f"[^/{inside[1:]}]" if inside[0] == "!" else f"[{inside}]"
    return re.escape(part)
