"""Matches the sets' patterns with paths, and tells which folders may hold a match. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autosys_tasks.config.model import BackupSet
from autosys_tasks.core.globs import compiled

HEAVY = frozenset((".git", ".venv", ".venvs", "node_modules"))  # searched only by a pattern that names them literally
_WILD = re.compile(r"[*?[]")


class Pattern(NamedTuple):
    """One pattern of a set's `include`, compiled."""

    of: BackupSet
    written: str  # as in autosys.toml
    regex: re.Pattern[str]  # the paths that it matches
    folder_regex: re.Pattern[str]  # the folders that may hold a match
    exclude_regex: re.Pattern[str]  # what its set leaves out
    names: frozenset[str]  # its parts: what is searched by a pattern that names it alone is by this one
    is_recursive: bool  # a folder that it matches is included with all below it

    def matches(self, path: str) -> bool:
        """Whether it matches this path."""
        return self.regex.fullmatch(_nfc(path)) is not None

    def matches_all_in(self, folder: str) -> bool:
        """Whether it matches everything below this folder; False for the workspace itself."""
        return self.is_recursive and folder != "" and self.matches(folder)

    def excludes(self, path: str) -> bool:
        """Whether its set's `exclude` matches this path, or a folder above it."""
        return self.exclude_regex.fullmatch(_nfc(path)) is not None

    def may_match_in(self, folder: str) -> bool:
        """Whether something below this folder may match."""
        name = folder.rpartition("/")[2]
        return (name not in HEAVY or name in self.names) and self.may_match_below(folder)

    def may_match_below(self, folder: str) -> bool:
        """The same, as if the folder were none of HEAVY."""
        return self.folder_regex.fullmatch(_nfc(folder)) is not None


def patterns(sets: Iterable[BackupSet], *, fold: bool = False) -> tuple[Pattern, ...]:
    """Every pattern of every set; `fold`: match without regard to case."""
    return tuple(_pattern(one, written, fold) for one in sets for written in one.include)


def _pattern(one: BackupSet, written: str, fold: bool) -> Pattern:
    flags = re.DOTALL | (re.IGNORECASE if fold else 0)
    parts, is_recursive = _parse(written)
    return Pattern(
        one,
        written,
        re.compile(_match_regex(written), flags),
        re.compile(_folder_regex(parts, is_recursive), flags),
        re.compile("|".join(map(_match_regex, one.exclude)) or r"(?!)", flags),
        frozenset(parts),
        is_recursive,
    )


def _nfc(path: str) -> str:
    """The path in Unicode's composed form (NFC): both spellings of a name match."""
    if path.isascii():
        return path
    from unicodedata import normalize

    return normalize("NFC", path)


def _parse(written: str) -> tuple[list[str], bool]:
    """Its parts, and whether it is recursive: `a`, `a/`, `a/**` and `**/a` are, `a/*` is not."""
    parts = [part for part in _nfc(written).replace("\\", "/").split("/") if part != "."]
    is_recursive = not parts or parts[-1] in ("", "**") or not _WILD.search(parts[-1])
    while parts and parts[-1] in ("", "**"):
        parts.pop()
    return [part for part in parts if part], is_recursive


def _match_regex(written: str) -> str:
    parts, is_recursive = _parse(written)
    return f"(?:{compiled(('/'.join(parts),)).pattern}){'(?:/.*)?' if is_recursive else ''}" if parts else ".+"


def _folder_regex(parts: Sequence[str], is_recursive: bool) -> str:
    """The folders that may hold a match: of `a/*/c.txt` `a` and `a/x`, of `a/**/c.txt` all below `a`."""
    if not parts or "**" in parts[0]:
        return ".*"
    here = compiled((parts[0],)).pattern
    if len(parts) > 1:
        return f"{here}(?:/{_folder_regex(parts[1:], is_recursive)})?"
    return f"{here}(?:/.*)?" if is_recursive else r"(?!)"
