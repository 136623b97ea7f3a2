"""Decides who else starts this workspace: leftovers, other tools, our own second best. Pure.

Whoever only copies or shows what lies in the workspace starts nothing, and what is not certain is nobody's rival.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from autosys_tasks.schedule.command_text import is_inside, is_one_command, is_windows, path_in, program
from autosys_tasks.schedule.values import Rival, Site, Starter

Test = Callable[[str], bool]
BYSTANDERS = frozenset({
    "7z", "borg", "cat", "code", "code-insiders", "cp", "du", "explorer", "find", "gzip", "kopia", "ls", "nautilus",
    "notepad", "rclone", "restic", "robocopy", "rsync", "scp", "tar", "xcopy", "xdg-open", "zip",
})  # fmt: skip


def let_be(starter: Starter, beside: Iterable[str]) -> bool:
    """Whether a person says that this is a job of theirs beside ours; of our own, nobody says so."""
    return not starter.ours and any(fnmatchcase(starter.name.lower(), pattern.lower()) for pattern in beside)


def rivals(
    site: Site,
    starters: Iterable[Starter],
    is_ours: Test,
    is_gone: Test,
    doubled: Collection[tuple[str, str]] = (),
    known_as: Collection[str] = (),
) -> tuple[Rival, ...]:
    """The rivals among the starters, in their order.

    `is_ours`: whether a path leads into the workspace. `is_gone`: whether a folder exists no more.
    `doubled`: (place, entry) of our own entries that a better mechanism has too.
    `known_as`: the ids that this workspace was registered under, wherever it was then.
    """
    judged = ((starter, _why(site, starter, is_ours, is_gone, doubled, known_as)) for starter in starters if starter.on)
    return tuple(Rival(starter, why) for starter, why in judged if why)


def _why(
    site: Site,
    starter: Starter,
    is_ours: Test,
    is_gone: Test,
    doubled: Collection[tuple[str, str]],
    known_as: Collection[str],
) -> str:
    if starter.ours == site.id:
        twice = (starter.place, starter.entry) in doubled
        return f"our own second best: a better scheduler has `{starter.entry}` too" if twice else ""
    if starter.ours:
        return _of_another(site, starter, is_gone, known_as)
    return _of_a_stranger(site, starter, is_ours)


def _of_another(site: Site, starter: Starter, is_gone: Test, known_as: Collection[str]) -> str:
    """An entry that autosys made under another id: a rival only when that workspace is this one."""
    folder = starter.folder
    if not folder:
        return ""
    if is_inside(folder, site.folder) and is_inside(site.folder, folder):
        return "ours, under a name that this workspace had"
    was_here = starter.ours in known_as or _slug(starter.ours) == _slug(site.id)
    if was_here and is_gone(folder):
        return f"ours, for `{folder}`, which is gone: the workspace was moved"
    return ""


def _slug(site_id: str) -> str:
    return site_id.rpartition("-")[0]


def _of_a_stranger(site: Site, starter: Starter, is_ours: Test) -> str:
    windows = is_windows(site.folder)
    lines = [line for line in starter.commands if line and not _only_looks_on(line, windows)]
    if starter.commands and not lines:
        return ""
    path = next((path for line in lines for word in line if (path := path_in(word, is_ours, windows))), "")
    if path:
        return f"its command leads to `{path}`"
    return f"it runs in `{starter.folder}`" if starter.folder and is_ours(starter.folder) else ""


def _only_looks_on(line: tuple[str, ...], windows: bool) -> bool:
    return program(line, windows) in BYSTANDERS and is_one_command(line)
