"""Full or differential, and what of the found things is read: decided from values alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from desk_tree import NOW, collected, config_of, tree
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.backup.base import Base
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest_text import comma_separated, rows_of, split
from autosys_tasks.backup.plan import TAIL_FROM, Changes, bytes_to_store, choose, may_have_grown
from autosys_tasks.backup.plan import changed as changed_of_entries
from autosys_tasks.backup.values import (
    DIFFERENTIAL,
    FILE,
    FOLDER,
    FULL,
    HARDLINK,
    LINK,
    SQLITE,
    Backup,
    Entry,
    Found,
)

DAY = 86_400.0
SCANNED = NOW
HEX = "ab" * 32
OLD_NS = int((SCANNED - 100) * 1e9)


def full(days_ago: float, **more: Any) -> Backup:
    """A good full of so many days ago."""
    at = NOW - days_ago * DAY
    return Backup(f"{at:.0f}", FULL, at, sets="s", archive_bytes=10_000_000, verified=True)._replace(**more)


def differential(days_ago: float, base: Backup, **more: Any) -> Backup:
    """A good differential upon it."""
    at = NOW - days_ago * DAY
    one = Backup(f"{at:.0f}", DIFFERENTIAL, at, base.id, base.archive_sha256, "s", archive_bytes=1000, verified=True)
    return one._replace(**more)


# Full or differential


def test_the_first_one_is_full() -> None:
    assert choose([], "s", NOW)[:2] == (FULL, None)


def test_the_second_one_builds_upon_the_newest_full() -> None:
    base = full(2)
    choice = choose([full(9), base, differential(1, base)], "s", NOW)
    assert choice[:2] == (DIFFERENTIAL, base) and base.id in choice.reason


NEW_FULLS: dict[str, tuple[list[Backup], dict[str, Any], str]] = {
    "a week later": ([full(7)], {}, "7 days old"),
    "a week later, some minutes early": ([full(6.99)], {}, "7 days old"),
    "never verified": ([full(1, verified=False)], {}, "no full backup yet"),
    "other sets": ([full(1, sets="other")], {}, "what is asked for has changed"),
    "damaged": ([full(1)], {"unusable": {full(1).id: "3 files are damaged"}}, "3 files are damaged"),
    "a passphrase now": ([full(1)], {"encrypted": True}, "not encrypted"),
    "no passphrase now": ([full(1, encrypted=True)], {}, "is encrypted"),
    "a differential grew": (
        [full(3), differential(2, full(3)), differential(1, full(3), archive_bytes=3_000_001)], {}, "3.0 MB",
    ),
    "the full is from the future": ([full(-2)], {}, "no full backup yet"),
}  # fmt: skip


@pytest.mark.parametrize("case", NEW_FULLS)
def test_a_new_full_is_made_when_a_differential_will_not_do(case: str) -> None:
    backups, more, says = NEW_FULLS[case]
    choice = choose(backups, "s", NOW, **more)
    assert choice[:2] == (FULL, None) and says in choice.reason


def test_a_small_workspace_does_not_need_a_full_because_of_a_few_kilobytes() -> None:
    base = full(3, archive_bytes=10_000)
    assert choose([base, differential(1, base, archive_bytes=90_000)], "s", NOW).kind == DIFFERENTIAL


def test_a_week_of_nights_has_one_full() -> None:
    backups: list[Backup] = []
    for night in range(28):
        at = NOW + night * DAY + night % 5  # not to the second
        choice = choose(backups, "s", at)
        base = choice.base or Backup("", FULL, 0)
        backups.append(Backup(f"{at:.0f}", choice.kind, at, base.id, sets="s", verified=True))
    assert [number for number, one in enumerate(backups) if one.kind == FULL] == [0, 7, 14, 21]


def test_after_a_clock_that_was_wrong_for_a_night_things_go_on() -> None:
    base = full(1)
    wrong = full(-3650)
    assert choose([base, wrong], "s", NOW)[:2] == (DIFFERENTIAL, base)


# What is read


def thing(path: str, **more: Any) -> Found:
    """A file as it lies there."""
    return Found(path, f"/desk/{path}", FILE, 10, OLD_NS, 0o644, (7, 8))._replace(**more)


def entry(found: Found, **more: Any) -> Entry:
    """What the base says of it."""
    one = Entry(found.path, found.kind, found.size, found.mtime_ns, found.mode, HEX, "", found.link, found.flags)
    return one._replace(stamp=found.stamp, **more)


def changed(found: Iterable[Found], before: Iterable[Entry], scanned: float, unread: Sequence[str] = ()) -> Changes:
    """The changes by entries, which are the same by the lines of a manifest."""
    found, before = tuple(found), list(before)
    changes = changed_of_entries(found, before, scanned, unread)
    base = Base(lines_of(before), scanned)
    stayed = [one for one in found if one.kind == FILE and not one.flags and is_in(base, one)]
    by_lines = changed_of_entries([one for one in found if one not in stayed], base.left(), scanned, unread)
    assert by_lines._replace(same=tuple(sorted((*stayed, *by_lines.same)))) == changes
    assert (base.files, base.bytes) == (len(stayed), sum(one.size for one in stayed))
    return changes


def lines_of(entries: Iterable[Entry]) -> list[str]:
    """What a manifest says of them."""
    return split("," + b"".join(comma_separated(rows_of(entries))).decode())


def is_in(base: Base, one: Found) -> bool:
    """Whether a file is as the base has it."""
    return base.has(one.path, one.size, one.mtime_ns, one.mode, one.stamp)


def test_what_is_as_it_was_is_not_read() -> None:
    found = [
        thing("a"),
        thing("f", kind=FOLDER, size=0),
        thing("h", kind=HARDLINK, link="a"),
        thing("l", kind=LINK, link="x"),
    ]
    changes = changed(found, map(entry, found), SCANNED)
    assert changes.same == tuple(found) and not changes.read and not changes.deleted


DIFFERS: dict[str, dict[str, Any]] = {
    "size": {"size": 11},
    "time": {"mtime_ns": OLD_NS - 1},
    "inode": {"stamp": (9, 8)},
    "ctime": {"stamp": (7, 9)},
    "mode": {"mode": 0o600},
    "kind": {"kind": HARDLINK, "link": "0"},
    "flags": {"flags": ("leads-out",)},
}


@pytest.mark.parametrize("what", DIFFERS)
def test_what_differs_in_anything_is_read(what: str) -> None:
    before = entry(thing("a"))
    now = thing("a", **DIFFERS[what])
    assert changed([now], [before], SCANNED).read == ((now, before),)


def test_a_secret_that_only_its_text_told_of_is_not_read_each_time() -> None:
    one = thing("a")
    assert changed([one], [entry(one)._replace(flags=("secret",))], SCANNED).same == (one,)


def test_a_file_that_changed_just_before_the_scan_may_have_changed_again() -> None:
    for racy_s, is_read in ((-2.1, False), (-1.9, True), (0.0, True), (5.0, True)):
        one = thing("a", mtime_ns=int((SCANNED + racy_s) * 1e9))
        assert bool(changed([one], [entry(one)], SCANNED).read) == is_read, racy_s


def test_what_has_no_stamp_is_always_read() -> None:
    """A staged copy is made anew each time."""
    one = thing("a", stamp=(0, 0))
    assert changed([one], [entry(one)], SCANNED).read


def test_what_is_gone_is_deleted_and_what_could_not_be_seen_is_not() -> None:
    before = [entry(thing(path)) for path in ("a", "shut", "shut/b", "shutter", "z")]
    changes = changed([thing("z")], before, SCANNED, ["shut"])
    assert changes.deleted == ("a", "shutter")
    assert changed([], before, SCANNED, ["."]).deleted == (), "the workspace itself could not be read"


# What may only have grown

LOG = thing("logs/a.log", size=3 << 20)
WAS = entry(LOG)._replace(size=2 << 20)
GIT = ".autosys/git/history.bundle"
NOT_LONGER: dict[str, tuple[Found, Entry]] = {
    "as long as it was": (LOG._replace(size=WAS.size), WAS),
    "shorter": (LOG._replace(size=WAS.size - 1), WAS),
    "small before": (LOG, WAS._replace(size=TAIL_FROM)),
    "empty before": (LOG, WAS._replace(size=0)),
    "a hard link now": (LOG._replace(kind=HARDLINK, link="a", size=0), WAS),
    "a link before": (LOG, WAS._replace(kind=LINK, size=0)),
    "a database now": (LOG._replace(flags=(SQLITE,)), WAS),
    "a database before": (LOG, WAS._replace(flags=(SQLITE,))),
    "the state of git": (LOG._replace(path=GIT), WAS._replace(path=GIT)),
    "kept under another name": (LOG, WAS._replace(member="logs/b.log")),
}


def test_what_is_longer_than_it_was_may_only_have_grown() -> None:
    assert may_have_grown(LOG, WAS) and may_have_grown(LOG._replace(size=WAS.size + 1), WAS)
    assert may_have_grown(LOG, WAS._replace(size=TAIL_FROM + 1))
    assert may_have_grown(LOG._replace(flags=("secret",), mode=0o600, mtime_ns=1), WAS), "whatever else is not the same"


@pytest.mark.parametrize("what", NOT_LONGER)
def test_what_cannot_have_grown_is_kept_whole(what: str) -> None:
    found, before = NOT_LONGER[what]
    assert not may_have_grown(found, before) and bytes_to_store([(found, before)]) == found.size


@given(st.lists(st.tuples(st.integers(0, 4 << 20), st.none() | st.integers(0, 4 << 20)), max_size=9))
def test_no_more_is_to_store_than_is_there_and_never_less_than_what_is_new(sizes: list[tuple[int, int | None]]) -> None:
    things = [(LOG._replace(size=now), None if was is None else WAS._replace(size=was)) for now, was in sizes]
    least = sum(max(0, now - (was or 0)) for now, was in sizes)
    assert least <= bytes_to_store(things) <= sum(now for now, _ in sizes)
    grew = [(found, was) for found, was in things if was and may_have_grown(found, was)]
    assert bytes_to_store(things) == sum(now for now, _ in sizes) - sum(was.size for _, was in grew)
    assert all(TAIL_FROM < was.size < found.size for found, was in grew)


def test_a_line_that_says_the_same_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autosys_tasks.backup.base.entry_of", lambda line: pytest.fail(f"parsed: {line!r}"))
    found = [thing("a"), thing('b "\\ \U0001f5d2\udc80'), thing("c/가")]
    base = Base(lines_of(map(entry, found)), SCANNED)
    assert all(is_in(base, one) for one in found) and not base.left()


def test_lines_that_are_out_of_order_are_damage() -> None:
    before = [entry(thing(path)) for path in ("a", "b", "c")]
    one, other, last = lines_of(before)
    for mixed in ([other, one, last], [one, last, other], [one, one, last]):
        for found in ([], [thing("a"), thing("b"), thing("c")], [thing("b")]):
            base = Base(mixed, SCANNED)
            with pytest.raises(Damaged):
                _ = [is_in(base, one) for one in found], base.left()


SOME = st.dictionaries(st.text("ab/가\U0001f5d2", min_size=1, max_size=4), st.integers(1, 3), max_size=12)


@given(SOME, SOME)
def test_every_path_is_in_one_place(now: dict[str, int], then: dict[str, int]) -> None:
    found = [thing(path, size=now[path]) for path in sorted(now)]
    before = [entry(thing(path, size=then[path])) for path in sorted(then)]
    changes = changed(found, before, SCANNED)
    assert [one.path for one in changes.same] == [path for path in sorted(now) if then.get(path) == now[path]]
    assert [one.path for one, _ in changes.read] == [path for path in sorted(now) if then.get(path) != now[path]]
    assert [was.path for _, was in changes.read if was] == [one.path for one, was in changes.read if one.path in then]
    assert list(changes.deleted) == sorted(then.keys() - now.keys())


def test_a_real_tree_is_held_against_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOSYS_STATE", str(tmp_path / "state"))
    root = tree(tmp_path / "desk", "a.txt", "deep/b.txt", "deep/c.txt", age_s=100)
    config = config_of(root, "**")
    before = list(map(entry, collected(config).found))
    assert not changed(collected(config).found, before, SCANNED).read
    tree(root, "deep/b.txt", "deep/new.txt", age_s=100 if os.name == "posix" else 99)  # Windows tells no time of change
    (root / "a.txt").unlink()
    changes = changed(collected(config).found, before, SCANNED)
    assert [one.path for one, _ in changes.read] == ["deep", "deep/b.txt", "deep/new.txt"]
    assert changes.deleted == ("a.txt",)
