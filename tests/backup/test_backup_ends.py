"""However a backup ends, it harms nothing that is there, and the next run tidies up."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rig
from backup_desk import SETS, folder, nothing_is_left_over, whole, whole_or_none

from autosys_tasks import host
from autosys_tasks.backup import run
from autosys_tasks.core.faults import POINTS

RARE = [pytest.mark.live, pytest.mark.only("posix")]  # 42 of 63 commands
HOWS = ["kill", *(pytest.param(how, marks=RARE) for how in ("enospc", "raise"))]
STEPS = [point for point in POINTS if point.startswith("backup.") and point != "backup.before-remove"]


def test_two_at_once_the_second_ends_11_and_names_the_first(desk: rig.Workspace) -> None:
    desk.cli("backup").rc(0)
    lock = host.take_lock(f"{desk.state}/backing-up.lock")
    assert lock is not None
    try:
        (desk.state / "backing-up.json").write_text(json.dumps({"task": "backup", "pid": 4711}), encoding="utf-8")
        desk.cli("backup").rc(11).says("`backup` (pid 4711) is at work")
        document = desk.cli("backup.prune", "--json").rc(11).json()
        assert document["error"]["kind"] == "busy"  # type: ignore[index, call-overload]
        night = {"AUTOSYS_NOW": "2030-01-01T00:00:00Z"}
        said = desk.cli("backup", "--due", "--json", env=night).rc(0).json()
        assert "nothing to do here" in said["notes"][0], "as a tick does"  # type: ignore[index]
    finally:
        lock.release()
    assert len(whole(desk)) == 1


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("point", STEPS)
def test_no_end_at_any_step_harms_what_is_there(
    desk: rig.Workspace, point: str, how: str, make: Callable[..., run.Report]
) -> None:
    """The earlier backup stays whole to the byte, no half is seen under a final name, the next run tidies up."""
    assert make().code == 0
    earlier = {path.name: path.read_bytes() for path in folder(desk).iterdir()}
    desk.file("설정/new.txt", "new\n" * 5000)
    ended = desk.cli("backup", env={"AUTOSYS_FAULT": f"{point}:{how}"})
    assert ended.code != 0, ended
    if how == "enospc":
        ended.rc(1).says("No space left on device")
    assert {name: (folder(desk) / name).read_bytes() for name in earlier} == earlier
    seen = whole_or_none(desk)
    assert len(seen) in ((1, 2) if point == "backup.after-rename" else (1,)), "half of one has no name"
    assert make().code == 0
    assert len(whole(desk)) >= 2
    nothing_is_left_over(desk)


def test_what_a_removal_leaves_is_taken_away_by_the_next_run(
    desk: rig.Workspace, make: Callable[..., run.Report]
) -> None:
    desk.write(SETS.replace("[backup.git]", "[backup]\nkeep_days = 0\n[backup.git]"))
    for day in range(1, 5):
        desk.file("설정/day.txt", str(day))
        assert make(f"2027-01-{7 * day:02d}T02:30:00Z").code == 0
    there = {each.id for each in whole(desk)}
    env = {"AUTOSYS_NOW": "2027-02-20T02:30:00Z", "AUTOSYS_FAULT": "backup.before-remove:kill"}
    desk.cli("backup", env=env)
    assert {each.id for each in whole_or_none(desk)} >= there
    assert make("2027-02-21T02:30:00Z").code == 0
    whole(desk)
    nothing_is_left_over(desk)


@pytest.fixture
def small(desk: rig.Workspace) -> Iterator[rig.Workspace]:
    """The same, whose backups lie on a disk of 1 MiB."""
    folder(desk).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder(desk))], check=True)
    yield desk
    subprocess.run(["umount", str(folder(desk))], check=True)


@pytest.mark.only("linux")
@pytest.mark.capability("root", "mount")
def test_a_disk_that_is_full_costs_no_earlier_backup(small: rig.Workspace) -> None:
    small.cli("backup").rc(0)
    (first,) = whole(small)
    noise = small.root / "설정" / "noise.bin"
    noise.write_bytes(random.Random(2).randbytes(3_000_000))
    ended = small.cli("backup").rc(1)
    assert "No space left on device" in ended.err or "needed" in ended.err
    assert [each.id for each in whole(small)] == [first.id]
    nothing_is_left_over(small)
    assert small.journal("backup")[-1]["ok"] is False
    noise.unlink()
    small.cli("backup").rc(0)
    assert len(whole(small)) == 2


@pytest.mark.only("linux")
@pytest.mark.capability("root", "mount")
def test_a_small_disk_that_is_read_only_is_called_that(small: rig.Workspace) -> None:
    (folder(small) / "noise.bin").write_bytes(random.Random(2).randbytes(900_000))
    subprocess.run(["mount", "-o", "remount,ro", str(folder(small))], check=True)
    ended = small.cli("backup").rc(1).says("Read-only file system", "make the folder writable")
    assert "free some disk space" not in ended.err


def long_backup(desk: rig.Workspace) -> rig.Running:
    """One that has said how far it is: of as much as that takes on this machine."""
    for number, megabytes in enumerate((50, 200, 800)):
        text = random.Random(number).randbytes(megabytes * 500_000).hex()
        (desk.root / "설정" / "big.txt").write_text(text, encoding="utf-8")
        running = desk.start("backup", console=True, env={"PYTHONUNBUFFERED": "1"})
        told = running.process.stderr
        assert told is not None
        line = told.readline().decode("utf-8")
        if line:
            assert re.search(rf"writing: \d+ %, .* MB of {megabytes}.0 MB, .*/s, .* left", line), line
            return running
        running.result().rc(0)
    pytest.fail("800 MB are written within a second")


def test_ctrl_c_leaves_no_half(desk: rig.Workspace) -> None:
    """And until then a person is told how fast it goes and how long it takes."""
    running = long_backup(desk)
    running.interrupt()
    ended = running.result().rc(130)
    assert "the earlier backups are as they were" in ended.err
    nothing_is_left_over(desk)
    assert desk.journal("backup")[-1]["detail"] == "interrupted"


def test_nothing_has_its_name_before_all_of_it_is_on_the_disk(
    desk: rig.Workspace, make: Callable[..., run.Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of the names the manifest's comes last; only then is the folder flushed."""
    happened: list[tuple[str, str]] = []
    flush, replace = os.fsync, os.replace

    def flushed(fd: int) -> None:
        flush(fd)
        at = os.fstat(fd).st_ino
        happened.append(("flushed", next((one.name for one in folder(desk).iterdir() if one.stat().st_ino == at), ".")))

    def replaced(old: Path, new: Path) -> None:
        replace(old, new)
        if Path(new).parent == folder(desk):
            happened.append(("named", Path(new).name))

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", replaced)
    made = make().backup
    assert made
    parts = {("flushed", f"{made.archive}{made.part}"), ("flushed", f"{made.manifest}{made.part}")}
    named = [("named", made.archive), ("named", made.manifest)]
    assert parts <= set(happened[: happened.index(named[0])])
    after = happened[happened.index(named[0]) :]
    assert after in ([*named, ("flushed", ".")], named), "Windows flushes no folder"
