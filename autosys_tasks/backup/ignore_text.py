"""`.autosysignore`: what to exclude from backups, in the syntax of .gitignore. Pure.

As in git: `#` is a comment, `!` negates, `/` at the beginning or within anchors a pattern to the file's folder, `/` at
the end matches folders only, `*` `?` `[a-z]` match within a name, `**` across folders, `\\` escapes the next character,
trailing blanks do not count. The last matching line decides, and of two files the deeper one. A file cannot be included
again when a folder above it is excluded.
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
    """One line of an ignore file."""

    regex: re.Pattern[str]
    by_name: bool  # matches the name alone; else the path relative to the ignore file
    folders_only: bool
    negated: bool


class Level(NamedTuple):
    """The rules of one ignore file, and its folder ("" is the workspace)."""

    folder: str
    rules: tuple[Rule, ...]


def read_rules(text: str, *, fold: bool = False) -> tuple[Rule, ...]:
    """The rules of a file, in order; `fold` where the system does not tell `A` from `a`."""
    lines = (line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
    found = (_rule(_without_trailing_blanks(line), fold) for line in lines if not line.startswith("#"))
    return tuple(rule for rule in found if rule)


def ignored_by(levels: Sequence[Level], path: str, is_folder: bool) -> str | None:
    """The folder whose ignore file excludes this path, or None. The folders above the path must have been checked."""
    name = path.rpartition("/")[2]
    for level in reversed(levels):
        inside = path[len(level.folder) + 1 :] if level.folder else path
        for rule in reversed(level.rules):
            if (is_folder or not rule.folders_only) and rule.regex.fullmatch(name if rule.by_name else inside):
                return None if rule.negated else level.folder
    return None


def _without_trailing_blanks(line: str) -> str:
    """The line without trailing blanks, except one that is escaped by a backslash."""
    bare = line.rstrip(" ")
    slashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if slashes % 2 and len(bare) < len(line) else bare


def _rule(line: str, fold: bool) -> Rule | None:
    negated = line.startswith("!")
    pattern = line[1:] if negated else line
    folders_only = pattern.endswith("/")
    pattern = pattern[:-1] if folders_only else pattern
    if not pattern:
        return None
    by_name = "/" not in pattern
    translated = _regex(pattern.removeprefix("/"), by_name)
    if translated is None:
        return None
    return Rule(re.compile(translated, re.DOTALL | (re.IGNORECASE if fold else 0)), by_name, folders_only, negated)


def _regex(pattern: str, by_name: bool) -> str | None:
    """The pattern as a regular expression; None for one that, to git, matches nothing."""
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
    """A member of a set: a class, a character, or a range (a reversed one is its first character)."""
    if found["class"] is not None:
        return _CLASSES.get(found["class"], "")
    first, last = found["first"].removeprefix("\\") or "\\", (found["last"] or "").removeprefix("\\")
    ranged = f"-{re.escape(last)}" if last and last >= first else ""
    return re.escape(first) + ranged
