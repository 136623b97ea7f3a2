"""The patterns of the sets against paths: what each matches, and which folders may hold something for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autosys_tasks.config.model import BackupSet
from autosys_tasks.core.globs import compiled

HEAVY = frozenset((".git", ".venv", ".venvs", "node_modules"))  # only entered by a pattern that has the very name in it
_WILD = re.compile(r"[*?[]")


class Pattern(NamedTuple):
    """One line of a set's `include`, ready to be held against paths."""

    of: BackupSet
    written: str
    whole: re.Pattern[str]  # what it takes
    above: re.Pattern[str]  # the folders in which it may find something
    excluded: re.Pattern[str]  # what its set leaves out
    heavy: frozenset[str]  # those of HEAVY that it names
    deep: bool  # a folder that it takes is taken with all that is in it

    def takes(self, path: str) -> bool:
        """Whether it names this path."""
        return self.whole.fullmatch(_composed(path)) is not None

    def takes_all_in(self, folder: str) -> bool:
        """Whether it names everything in this folder, and deeper; of the workspace's own nothing is said."""
        return self.deep and folder != "" and self.takes(folder)

    def leaves_out(self, path: str) -> bool:
        """Whether its set's `exclude` names this path, or a folder that it is in."""
        return self.excluded.fullmatch(_composed(path)) is not None

    def enters(self, folder: str) -> bool:
        """Whether something in this folder, or deeper, may be its."""
        name = folder.rpartition("/")[2]
        return (name not in HEAVY or name in self.heavy) and self.reaches(folder)

    def reaches(self, folder: str) -> bool:
        """As `enters`, were the folder not heavy."""
        return self.above.fullmatch(_composed(folder)) is not None


def patterns(sets: Iterable[BackupSet], *, fold: bool = False) -> tuple[Pattern, ...]:
    """Every pattern of every set; `fold` where the system does not tell `A` from `a`."""
    return tuple(_pattern(one, written, fold) for one in sets for written in one.include)


def _pattern(one: BackupSet, written: str, fold: bool) -> Pattern:
    flags = re.DOTALL | (re.IGNORECASE if fold else 0)
    parts, deep = _read(written)
    return Pattern(
        one,
        written,
        re.compile(_taking(written), flags),
        re.compile(_above(parts, deep), flags),
        re.compile("|".join(map(_taking, one.exclude)) or r"(?!)", flags),
        HEAVY.intersection(parts),
        deep,
    )


def _composed(path: str) -> str:
    """A name is found in either of the two ways that Unicode has to write it; it is kept as it is."""
    if path.isascii():
        return path
    from unicodedata import normalize

    return normalize("NFC", path)


def _read(written: str) -> tuple[list[str], bool]:
    """Its parts, and whether a folder is taken with all that is in it: by `a`, `a/`, `a/**`, `**/a`, not by `a/*`."""
    parts = [part for part in _composed(written).replace("\\", "/").split("/") if part != "."]
    deep = not parts or parts[-1] in ("", "**") or not _WILD.search(parts[-1])
    while parts and parts[-1] in ("", "**"):
        parts.pop()
    return [part for part in parts if part], deep


def _taking(written: str) -> str:
    parts, deep = _read(written)
    return f"(?:{compiled(('/'.join(parts),)).pattern}){'(?:/.*)?' if deep else ''}" if parts else ".+"


def _above(parts: Sequence[str], deep: bool) -> str:
    """`a/*/c.txt` may find something in `a` and in `a/x`, `a/**/c.txt` in all below `a`."""
    if not parts or "**" in parts[0]:
        return ".*"
    here = compiled((parts[0],)).pattern
    if len(parts) > 1:
        return f"{here}(?:/{_above(parts[1:], deep)})?"
    return f"{here}(?:/.*)?" if deep else r"(?!)"
