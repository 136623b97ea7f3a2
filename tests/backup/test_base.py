"""A walk that holds files against the base's lines finds the changes that one finds which makes something of each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import rig
from desk_tree import NOW, config_of, tree
from hypothesis import given, settings
from hypothesis import strategies as st

from autosys_tasks.backup import make, plan, secrets_text, sqlite_copy
from autosys_tasks.backup.base import Base
from autosys_tasks.backup.collect import BITS, collect
from autosys_tasks.backup.manifest_text import comma_separated, rows_of, split
from autosys_tasks.backup.values import FILE, Collected, Entry, Found
from autosys_tasks.config.model import Config

PARTS = ["a", "a b", "a-b", "a.b", "a#", "a0", "b", "가", ".env", "x.db", "x.db-wal", "folder"]
PATHS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("/".join)
OLD_S = 100


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose state folder lies beside it."""
    monkeypatch.setenv("AUTOSYS_STATE", str(tmp_path / "state"))
    return tmp_path / "책상"


def put(root: Path, path: str) -> None:
    """A file of that path, whatever lies at it or above it."""
    above = [Path(path[:cut]) for cut in range(len(path)) if path[cut] == "/"]
    for one in above:
        if (root / one).is_file():
            (root / one).unlink()
    take_away(root, path)
    tree(root, path, age_s=OLD_S)


def take_away(root: Path, path: str) -> None:
    """Nothing is left there."""
    if (root / path).is_dir():
        shutil.rmtree(root / path)
    elif not any((root / path[:cut]).is_file() for cut in range(len(path)) if path[cut] == "/"):
        (root / path).unlink(missing_ok=True)


def page(root: Path, path: str) -> None:
    """A file as long as a database's page."""
    put(root, path)
    (root / path).write_bytes(bytes(sqlite_copy.PAGE))
    os.utime(root / path, (NOW - OLD_S, NOW - OLD_S))


def twin(root: Path, path: str) -> None:
    """A second name of it."""
    put(root, path)
    take_away(root, f"{path} too")
    os.link(root / path, root / f"{path} too")


def rewrite(root: Path, path: str) -> None:
    """Other bytes, as many, at the same time; the system alone knows when that was."""
    put(root, path)
    status = (root / path).stat()
    (root / path).write_bytes(bytes(status.st_size))
    os.utime(root / path, ns=(status.st_atime_ns, status.st_mtime_ns))


def guard(root: Path, path: str) -> None:
    """Nobody else is to read it."""
    put(root, path)
    (root / path).chmod(0o600)


def empty(root: Path, path: str) -> None:
    """A folder in which nothing is."""
    put(root, path)
    (root / path).unlink()
    (root / path).mkdir()


HOW: dict[str, Callable[[Path, str], None]] = {
    "new": put, "gone": take_away, "page": page, "twin": twin, "rewritten": rewrite, "guarded": guard, "empty": empty,
}  # fmt: skip
CHANGES = st.dictionaries(PATHS, st.sampled_from(sorted(HOW)), max_size=6)


@settings(max_examples=rig.examples(100))
@given(then=CHANGES, files=st.lists(PATHS, max_size=8), now=CHANGES, racy=st.booleans())
def test_the_changes_are_those_of_a_look_at_all(
    desk: Path, then: dict[str, str], files: list[str], now: dict[str, str], racy: bool
) -> None:
    """Also where a file became a folder, and with names that sort before `/`."""
    shutil.rmtree(desk, ignore_errors=True)
    desk.mkdir()
    for path, how in [*then.items(), *((path, "new") for path in files)]:
        HOW[how](desk, path)
    config = config_of(desk, "**")
    before = list(entries(looked(config)))
    for path, how in now.items():
        HOW[how](desk, path)
    scanned = NOW - OLD_S if racy else NOW
    compare(config, before, scanned)


def looked(config: Config, base: Base | None = None) -> Collected:
    staging = Path(config.path).parent / "state" / "staging-1"
    shutil.rmtree(staging, ignore_errors=True)
    return collect(config, Path(config.path, "backups"), NOW, staging, base=base)


def entries(found: Collected) -> Iterator[Entry]:
    """What a backup would have said of them."""
    for one in found.found:
        sha256 = "ab" * 32 if one.kind == FILE else ""
        yield Entry(one.path, one.kind, one.size, one.mtime_ns, one.mode, sha256, "", one.link, one.flags, one.stamp)


def compare(config: Config, before: list[Entry], scanned: float) -> Collected:
    """Both looks at what is there now say the same; returns the one with the base."""
    whole = plan.changed(looked(config).found, before, scanned)
    lines = split("," + b"".join(comma_separated(rows_of(before))).decode())
    found = looked(config, Base(lines, scanned))
    changes = plan.changed(found.found, found.left, scanned)
    assert changes[1:] == whole[1:]
    assert set(changes.same) <= set(whole.same)
    assert counted(whole.same) == (found.files + counted(changes.same)[0], found.bytes + counted(changes.same)[1])
    return found


def counted(things: tuple[Found, ...]) -> tuple[int, int]:
    sizes = [one.size for one in things if one.kind == FILE]
    return len(sizes), sum(sizes)


def test_of_what_stayed_nothing_is_made_but_a_count(desk: Path) -> None:
    tree(desk, "a.txt", "deep/b.txt", "deep/er/c.txt", ".env", age_s=OLD_S)
    config = config_of(desk, "**")
    found = compare(config, list(entries(looked(config))), NOW)
    assert [one.path for one in found.found] == [".env", "deep", "deep/er"], "a secret and folders are looked at"
    assert found.files == 3 and [one.path for one in found.left] == [".env", "deep", "deep/er"]


def test_a_version_that_knows_other_secrets_builds_upon_no_earlier_full(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what stayed it looks at no name."""
    config = config_of(desk, "**")
    before = make.sets_digest(config)
    monkeypatch.setattr(secrets_text, "RULES", [*secrets_text.RULES, "new"])
    assert make.sets_digest(config) != before


def test_the_log_of_a_database_never_stays_beside_a_new_copy_of_it(desk: Path) -> None:
    """A night that could not copy it kept both as they lay there: one that can takes the log away."""
    import sqlite3

    desk.mkdir()
    with closing(sqlite3.connect(desk / "x.db")) as base:
        base.execute("CREATE TABLE t (n)")
    tree(desk, "x.db-wal", age_s=OLD_S)
    config = config_of(desk, "**")
    status = (desk / "x.db-wal").lstat()
    log = Entry("x.db-wal", FILE, status.st_size, status.st_mtime_ns, status.st_mode & BITS, "ab" * 32)
    found = compare(config, [log._replace(stamp=(status.st_ino, status.st_ctime_ns))], NOW)
    assert [one.path for one in found.found] == ["x.db"]
    assert [one.path for one in found.left] == ["x.db-wal"] and not found.files
