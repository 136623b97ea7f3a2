"""A walk meets what asking every path alone would meet: what patterns take, what is left out for whom, and why."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig
from desk_tree import tree
from hypothesis import given, settings
from hypothesis import strategies as st

from autosys_tasks.backup import walk as module
from autosys_tasks.backup.ignore_text import NAME, Level, ignored_by, read_rules
from autosys_tasks.backup.patterns_text import HEAVY, Pattern, patterns
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.walk import EXCLUDED, HEAVY_WHY, OURS, Excluded, Matched, Site, Unreadable, walk
from autosys_tasks.config.model import BackupSet

OWN = ("backups", "a/own")
BELOW_SLASH = ["a b", "a-b", "a-b-", "a.b", "a#"]  # these sort before what is in `a`
OURS_AND_HEAVY = ["own", "backups", "node_modules", ".git", "pyvenv.cfg"]
PARTS = st.sampled_from(["a", "b", "ab", *BELOW_SLASH, "x.txt", *OURS_AND_HEAVY, "가", "ä"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
TREES = st.lists(PATHS, min_size=1, max_size=12)
GLOB_PARTS = st.sampled_from(["a", "b", "*", "**", "?", "*.txt", "a*", "[ab]", "node_modules", "가", "ä", "own", "."])
GLOBS = st.lists(GLOB_PARTS, min_size=1, max_size=4).map("/".join)
SETS = st.lists(st.tuples(st.lists(GLOBS, min_size=1, max_size=2), st.lists(GLOBS, max_size=1)), max_size=3)
IGNORES = st.dictionaries(st.sampled_from(["", "a", "b/a"]), st.sampled_from(["a", "/b", "*.txt\n!x.txt", "ab/"]))
Said = tuple[str, str, tuple[int, ...]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that each example fills anew."""
    return tmp_path / "desk"


def grown(root: Path, files: list[str], ignores: dict[str, str]) -> None:
    """A tree of these files, as far as the names above them are folders."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path in files:
        above = [Path(path[:cut]) for cut in range(len(path)) if path[cut] == "/"]
        if not any((root / one).is_file() for one in above) and not (root / path).exists():
            tree(root, path)
    for folder, text in ignores.items():
        if (root / folder).is_dir():
            (root / folder / NAME).write_text(text, encoding="utf-8")


def alone(root: Path, wanted: tuple[Pattern, ...]) -> Iterator[Said]:
    """What is to be said, asking for every path anew all that decides: no folder knows anything of what is in it."""
    todo: list[tuple[str, tuple[Pattern, ...]]] = [("", wanted)]
    while todo:
        folder, active = todo.pop()
        above = dict.fromkeys(["", *(folder[:cut] for cut in range(len(folder)) if folder[cut] == "/"), folder])
        levels = [
            Level(one, read_rules((root / one / NAME).read_text(encoding="utf-8")))
            for one in above
            if (root / one / NAME).is_file()
        ]
        for name in sorted(os.listdir(root / folder)):
            path = f"{folder}/{name}".lstrip("/")
            is_folder = (root / path).is_dir()
            taking = [one for one in active if one.matches(path)]
            below = [one for one in active if is_folder and one.may_match_in(path)]
            reaching = [one for one in active if one.may_match_below(path)]
            out: list[Pattern] = []
            why = ""
            if is_folder and path in OWN:
                why, out = OURS, [*taking, *below]
            elif is_heavy(root / path) and (heavy := [one for one in reaching if name not in one.names]):
                why, out = HEAVY_WHY, heavy
            elif (taking or below) and (by := ignored_by(levels, path, is_folder)) is not None:
                why, out = f"`{by}/{NAME}` names it".replace("`/", "`"), [*taking, *below]
            elif taking or below:
                why, out = EXCLUDED, [one for one in (*taking, *below) if one.excludes(path)]
            if out:
                yield path, why, numbers(wanted, out)
            if stay := [one for one in taking if one not in out]:
                yield path, "seen", numbers(wanted, stay)
            if deeper := tuple(one for one in below if one not in out):
                todo.append((path, deeper))


def is_heavy(path: Path) -> bool:
    """Whether it is a folder that only its name leads into."""
    return path.is_dir() and (path.name in HEAVY or (path / "pyvenv.cfg").exists())


def numbers(wanted: tuple[Pattern, ...], some: list[Pattern] | tuple[Pattern, ...]) -> tuple[int, ...]:
    """Which of the patterns these are."""
    return tuple(wanted.index(one) for one in some)


def met(root: Path, wanted: tuple[Pattern, ...]) -> Iterator[Said]:
    """What the walk says."""
    for event in walk(Site(str(root), OWN), wanted, RetryBudget(0)):
        assert not isinstance(event, Unreadable)
        of = numbers(wanted, event.patterns)
        if isinstance(event, Excluded):
            yield event.path, event.why, of
            continue
        assert event.things
        for name, status in event.things:
            path = f"{event.folder}/{name}".lstrip("/")
            assert status.st_ino == os.lstat(root / path).st_ino
            yield path, "seen", of


@pytest.mark.parametrize("by_fd", [False, pytest.param(True, marks=pytest.mark.only("posix"))])
@settings(max_examples=rig.examples(200))
@given(files=TREES, sets=SETS, ignores=IGNORES)
def test_a_walk_meets_what_asking_each_path_alone_meets(
    root: Path, files: list[str], sets: list[tuple[list[str], list[str]]], ignores: dict[str, str], by_fd: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BY_FD", by_fd)
        patch.setattr(module, "MOST", 2)
        is_as_alone(root, files, sets, ignores)


def is_as_alone(root: Path, files: list[str], sets: list[tuple[list[str], list[str]]], ignores: dict[str, str]) -> None:
    grown(root, files, ignores)
    wanted = patterns(BackupSet(str(n), tuple(inc), tuple(exc)) for n, (inc, exc) in enumerate(sets))
    found = list(met(root, wanted))
    assert sorted(found) == sorted(alone(root, wanted))
    seen = [path for path, why, _ in found if why == "seen"]
    assert seen == sorted(set(seen)), "in order of path"


@pytest.mark.only("linux")
def test_no_folder_stays_open_while_those_in_it_are_looked_into(root: Path) -> None:
    """A tree may be deeper than the system lets a process open files."""
    tree(root, *(f"{'a/' * depth}{name}" for depth in range(50) for name in ("a.txt", "b.txt")))
    before, seen = len(os.listdir("/proc/self/fd")), 0
    for event in walk(Site(str(root)), patterns([BackupSet("all", ("**",))]), RetryBudget(0)):
        assert isinstance(event, Matched) and len(os.listdir("/proc/self/fd")) <= before + 1
        seen += len(event.things)
    assert seen == 50 * 2 + 49


@given(GLOBS, PATHS, PATHS)
def test_a_folder_that_is_taken_whole_is_taken_with_whatever_lies_in_it(glob: str, folder: str, path: str) -> None:
    (one,) = patterns([BackupSet("set", (glob,))])
    if one.matches_all_in(folder):
        assert one.matches(f"{folder}/{path}") and one.may_match_below(f"{folder}/{path}")


@settings(max_examples=rig.examples(60))
@given(TREES, st.sampled_from(["**", "*/**", "**/a*"]), st.dictionaries(PARTS, st.sampled_from([1, 1000])))
def test_what_the_system_says_nothing_of_is_asked_again_and_the_others_are_met(
    root: Path, files: list[str], wanted: str, moody: dict[str, int]
) -> None:
    """Once is no fault; what it never says anything of is named, and costs no other."""
    grown(root, files, {})
    left, ask = dict(moody), module._status

    def status(entry: os.DirEntry[str]) -> os.stat_result:
        if left.get(entry.name):
            left[entry.name] -= 1
            raise PermissionError(13, "no")
        return ask(entry)

    def told() -> list[tuple[str, bool]]:
        events = walk(Site(str(root)), patterns([BackupSet("all", (wanted,))]), RetryBudget(0))
        return [one for event in events if not isinstance(event, Excluded) for one in told_of(event)]

    usual = told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_status", status)
        found = told()
    assert sorted(found) == [(path, moody.get(path.rpartition("/")[2]) != 1000) for path, _ in usual]
    assert [path for path, is_met in found if is_met] == sorted(path for path, is_met in found if is_met)


class Listed:
    """An entry of a file system that does not list of what kind a thing is, and cannot say it of `dead`."""

    def __init__(self, entry: os.DirEntry[str]) -> None:
        self.name, self.path, self._entry = entry.name, entry.path, entry

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        if self.name == "dead":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    is_file = is_dir

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        return self._entry.stat(follow_symlinks=follow_symlinks)


@pytest.mark.parametrize("exclude", [(), ("**/*.tmp",)])
def test_what_cannot_be_said_to_be_a_folder_is_named_and_costs_no_other(
    root: Path, monkeypatch: pytest.MonkeyPatch, exclude: tuple[str, ...]
) -> None:
    tree(root, "all/a", "all/dead/x", "all/e", "all/f/y")
    listed = module._listed
    monkeypatch.setattr(module, "_listed", lambda *args: [Listed(entry) for entry in listed(*args)])
    events = list(walk(Site(str(root)), patterns([BackupSet("all", ("all/**",), exclude)]), RetryBudget(0)))
    found = [one for event in events if not isinstance(event, Excluded) for one in told_of(event)]
    assert sorted(found) == [
        ("all", True), ("all/a", True), ("all/dead", False), ("all/e", True), ("all/f", True), ("all/f/y", True),
    ]  # fmt: skip


def told_of(event: Matched | Unreadable) -> list[tuple[str, bool]]:
    """Each path, and whether it is met."""
    if isinstance(event, Matched):
        return [(f"{event.folder}/{name}".lstrip("/"), True) for name, _ in event.things]
    return [(event.path, False)]


def test_what_stands_together_is_told_of_together(root: Path) -> None:
    """Also behind a folder, and what is in it."""
    tree(root, "all/a/x", *(f"all/{name}" for name in ("0", "1", "a-", "b", "c", "d", "e/y", "f", "g")))
    events = list(walk(Site(str(root)), patterns([BackupSet("all", ("all/**",))]), RetryBudget(0)))
    assert [[name for name, _ in event.things] for event in events if isinstance(event, Matched)] == [
        ["all"], ["0", "1"], ["a", "a-"], ["x"], ["b", "c", "d"], ["e"], ["y"], ["f", "g"],
    ]  # fmt: skip
