"""`.autosysignore`: what a folder wants left out of backups, in the words of .gitignore. Pure.

As git has it: `#` comments, `!` takes back, `/` within or at the front holds a pattern to its folder, `/` at the end
means folders alone, `*` `?` `[a-z]` stay within a name, `**` does not, `\\` makes the next letter plain, blanks at the
end of a line do not count. The last line that matches decides, and of two files the deeper one. What lies in a folder
that is left out cannot be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

NAME = ".autosysignore"
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": " \\t-\\r", "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}  # fmt: skip
_MEMBER = re.compile(r"\[:(?P<class>[a-z]*):\]|(?P<first>\\?.)(?:-(?P<last>\\.|[^\\\]]))?", re.DOTALL)


class Rule(NamedTuple):
    """One line."""

    whole: re.Pattern[str]
    by_name: bool  # held against the name alone, wherever it is; else against the path from the file's folder
    folders_only: bool
    takes_back: bool


class Level(NamedTuple):
    """One file's lines, and the folder that it lies in ("" is the workspace)."""

    folder: str
    rules: tuple[Rule, ...]


def read_rules(text: str, *, fold: bool = False) -> tuple[Rule, ...]:
    """The rules of a file, in order; `fold` where the system does not tell `A` from `a`."""
    lines = (line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
    found = (_rule(_without_blanks(line), fold) for line in lines if not line.startswith("#"))
    return tuple(rule for rule in found if rule)


def left_out_by(levels: Sequence[Level], path: str, is_folder: bool) -> str | None:
    """The folder whose file leaves this path out, None when it stays; folders above it have been asked before."""
    name = path.rpartition("/")[2]
    for level in reversed(levels):
        inside = path[len(level.folder) + 1 :] if level.folder else path
        for rule in reversed(level.rules):
            if (is_folder or not rule.folders_only) and rule.whole.fullmatch(name if rule.by_name else inside):
                return None if rule.takes_back else level.folder
    return None


def _without_blanks(line: str) -> str:
    """Blanks at the end go, but one that a backslash stands before."""
    bare = line.rstrip(" ")
    slashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if slashes % 2 and len(bare) < len(line) else bare


def _rule(line: str, fold: bool) -> Rule | None:
    takes_back = line.startswith("!")
    pattern = line[1:] if takes_back else line
    folders_only = pattern.endswith("/")
    pattern = pattern[:-1] if folders_only else pattern
    if not pattern:
        return None
    by_name = "/" not in pattern
    regex = _regex(pattern.removeprefix("/"), by_name)
    if regex is None:
        return None
    whole = re.compile(regex, re.DOTALL | (re.IGNORECASE if fold else 0))
    return Rule(whole, by_name, folders_only, takes_back)


def _regex(pattern: str, by_name: bool) -> str | None:
    """The pattern as a regular expression; None when git takes it for one that matches nothing."""
    parts, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "*":
            part, at = _stars(pattern, at, by_name)
        elif letter == "?":
            part, at = "[^/]", at + 1
        elif letter == "[":
            part, at = _set(pattern, at)
        elif letter == "\\":
            part, at = re.escape(pattern[at + 1 : at + 2]), at + 2
        else:
            part, at = re.escape(letter), at + 1
        if not part:
            return None
        parts.append(part)
    return "".join(parts)


def _stars(pattern: str, at: int, by_name: bool) -> tuple[str, int]:
    """`*`; or `**`, which crosses folders where it stands for whole names."""
    end = at
    while pattern[end : end + 1] == "*":
        end += 1
    alone = end - at > 1 and not by_name and pattern[max(0, at - 1) : at] in ("", "/")
    if alone and end == len(pattern):
        return ".*", end
    if alone and pattern[end] == "/":
        return "(?:.*/)?", end + 1
    return "[^/]*", end


def _set(pattern: str, at: int) -> tuple[str, int]:
    """`[abc]`, `[!a-z]`, `[[:digit:]_]`; "" when it does not end."""
    found = re.compile(r"\[([!^]?)(\]?(?:\\.|\[:[a-z]*:\]|[^\]\\])*)\]", re.DOTALL).match(pattern, at)
    if not found:
        return "", at
    inside = "".join(map(_within, _MEMBER.finditer(found[2])))
    if not inside or None in (_CLASSES.get(name) for name in re.findall(r"\[:([a-z]*):\]", found[2])):
        return "", at
    return f"(?!/)[{'^' if found[1] else ''}{inside}]", found.end()


def _within(found: re.Match[str]) -> str:
    """A member of a set: a class, a letter, or a range (one that ends before it begins is its first letter)."""
    if found["class"] is not None:
        return _CLASSES.get(found["class"], "")
    first, last = found["first"].removeprefix("\\") or "\\", (found["last"] or "").removeprefix("\\")
    ranged = f"-{re.escape(last)}" if last and last >= first else ""
    return re.escape(first) + ranged
