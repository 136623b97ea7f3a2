"""Where a path of an archive goes on this disk: refused when it leads out, under another name when it cannot be.

A name that is mapped depends on the name alone, so that a folder's files stay together and a second restore finds
them again. Pure.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import NamedTuple

FORBIDDEN = frozenset('<>:"|?*\\') | frozenset(map(chr, range(32)))  # in a name on Windows; `:` is a stream or a drive
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)
ENDING = 16  # characters of a name's ending that survive a mapping


class Rules(NamedTuple):
    """What names the disk takes. `longest`: bytes of UTF-8, on Windows units of UTF-16."""

    windows: bool = False
    folds: bool = False  # `A` and `a` are one name
    composes: bool = False  # so are `é` in one and in two code points; and a name must be Unicode (macOS)
    longest: int = 255


class Target(NamedTuple):
    """Where a path goes, from the folder that is restored to. `why`: another name than its own, or refused."""

    target: str  # "" when refused
    why: str = ""


def why_invalid(path: str) -> str:
    """Why no backup of ours ever has this path, "" for a good one."""
    if "\0" in path:
        return "its name holds a NUL"
    if path.startswith("/"):
        return "it is absolute"
    parts = path.split("/")
    if ".." in parts:
        return "it leads out of the folder"
    return "a part of it is no name" if "" in parts or "." in parts else ""


def why_impossible(name: str, rules: Rules) -> str:
    """Why the disk cannot hold a file of this name, "" when it can."""
    length = measure(name, rules)
    if length is None:
        return "it is no Unicode"
    if length > rules.longest:
        return f"{length} {'characters' if rules.windows else 'bytes'} long, {rules.longest} is the most"
    if not rules.windows:
        return ""
    if bad := sorted(FORBIDDEN & set(name)):
        return f"{bad[0]!r} cannot be in a name"
    if name[-1] in ". ":
        return "it ends in a dot or a blank"
    return "it is the name of a device" if _is_device(name) else ""


def measure(name: str, rules: Rules) -> int | None:
    """How long a name is for the disk; None when it cannot be written down there."""
    if rules.windows:
        return len(name.encode("utf-16-le", "surrogatepass")) // 2
    try:
        return len(name.encode("utf-8", "strict" if rules.composes else "surrogateescape"))
    except UnicodeEncodeError:
        return None


def _is_device(name: str) -> bool:
    return name.partition(".")[0].rstrip(" ").upper() in DEVICES


def renamed(name: str, rules: Rules, salt: str = "") -> str:
    """Another name for it that the disk can hold: as much of its own as possible, `~`, and eight digits of its hash."""
    digest = hashlib.sha256((salt or name).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = "".join("_" if _is_bad(char, rules) else char for char in name)
    kept = kept.rstrip(". ") if rules.windows else kept
    stem, dot, ending = kept.rpartition(".")
    if not stem.strip(".") or len(ending) > ENDING:
        stem, dot, ending = kept, "", ""
    tail = f"~{digest}{dot}{ending}"
    stem = f"_{stem}" if rules.windows and _is_device(stem) else stem
    stem = stem[: rules.longest]
    while (measure(stem + tail, rules) or 0) > rules.longest:
        stem = stem[:-1]
    return (stem or "_") + tail


def _is_bad(char: str, rules: Rules) -> bool:
    return char in FORBIDDEN if rules.windows else measure(char, rules) is None


class TargetNames:
    """Gives each path its place. Two paths never get the same one, also where the disk takes two names for one."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.known: dict[str, Target] = {}  # of folders
        self.taken: dict[str, str] = {}  # how the disk sees a target -> the path that has it

    def place(self, path: str) -> Target:
        """Where `path` goes; its folders get their places with it."""
        if path in self.known:
            return self.known[path]
        if why := why_invalid(path):
            return Target("", why)
        folder, _, name = path.rpartition("/")
        above = self._folder(folder)
        why = why_impossible(name, self.rules)
        if not why and above == (folder, "") and self.taken.setdefault(self._seen(path), path) == path:
            return Target(path)  # nearly all
        found = self._free(path, above.target, renamed(name, self.rules) if why else name)
        if found.why or why:
            said = f"`{name}`: {why}" if why else found.why
            return Target(found.target, said)
        return Target(found.target, above.why)

    def _folder(self, path: str) -> Target:
        if not path:
            return Target("")
        if path not in self.known:
            self.known[path] = self.place(path)
        return self.known[path]

    def _free(self, path: str, above: str, name: str) -> Target:
        """`name` below `above`, or another name when something else is there by it."""
        why, wanted, number = "", name, 0
        while True:
            target = f"{above}/{wanted}" if above else wanted
            target = path if target == path else target  # one text in memory, not two
            other = self.taken.setdefault(self._seen(target), path)
            if other == path:
                return Target(target, why)
            why, number = f"`{other}` has that name on this disk", number + 1
            wanted = renamed(name, self.rules, salt=f"{path}\0{number}")

    def _seen(self, target: str) -> str:
        seen = unicodedata.normalize("NFC", target) if self.rules.composes else target
        return unicodedata.normalize("NFC", seen.casefold()) if self.rules.folds else seen


def link_stays(path: str, text: str, rules: Rules) -> bool:
    """Whether a link at `path` with this text certainly leads to somewhere below the same top folder.

    Only `..` at its beginning is followed: behind a name it may go up from wherever that name itself leads to.
    """
    words = text.replace("\\", "/") if rules.windows else text
    if not text or words.startswith("/") or "\0" in text or (rules.windows and ":" in text):
        return False
    parts = [part for part in words.split("/") if part not in ("", ".")]
    ups = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return ".." not in parts[ups:] and ups <= path.count("/")
