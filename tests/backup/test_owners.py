"""Two workspaces that share one folder of backups, or one second place: each keeps to its own."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import rig

from autosys_tasks.backup import store
from autosys_tasks.backup.owner import foreign_owner, is_own, part_suffixes
from autosys_tasks.backup.values import FULL, Backup
from autosys_tasks.core.errors import UsageError

TOML = """
[backup]
keep_days = 0
keep_last = 3
{copies}
[backup.git]
enabled = false
[backup.sets.data]
include = ["data/**"]
"""


@pytest.fixture
def desks(tmp_path: Path) -> tuple[rig.Workspace, rig.Workspace]:
    """Two of them, whose `backups` lead to one folder, and that copy to one place."""
    made = []
    (tmp_path / "shared").mkdir()
    copies = f'copies = ["{(tmp_path / "second").as_uri()}"]'
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        desk = rig.Workspace(tmp_path / name, tmp_path / f"state of {name}")
        desk.write(TOML.format(copies=copies)).file("data/whose.txt", name)
        os.symlink(tmp_path / "shared", desk.root / "backups", target_is_directory=True)
        made.append(desk)
    return made[0], made[1]


def rows(desk: rig.Workspace, *more: object) -> dict[str, str | None]:
    """Every backup that it lists, and whose it is when it is not its own."""
    said = desk.cli("backup.list", "--json", *more).rc(0).json()
    return {row["id"]: row["foreign"] for row in said["backups"]}  # type: ignore[attr-defined]


def own(desk: rig.Workspace) -> list[str]:
    """The ids of its own, oldest first."""
    return sorted(identity for identity, whose in rows(desk).items() if whose is None)


def day(number: int) -> dict[str, str]:
    """The environment of a day, at noon."""
    return {"AUTOSYS_NOW": f"2026-11-{number:02d}T12:00:00Z"}


@pytest.mark.only("posix")  # links to folders need a right on Windows
def test_each_of_two_builds_upon_counts_copies_and_removes_its_own_alone(
    desks: tuple[rig.Workspace, rig.Workspace], tmp_path: Path
) -> None:
    one, two = desks
    for number in (1, 2):
        one.cli("backup", env=day(number)).rc(0)
    for number in range(3, 9):
        made = two.cli("backup", "--json", env=day(number)).rc(0).json()["backup"]
        assert made["kind"] == ("full" if number == 3 else "differential"), "never upon the other's"  # type: ignore[index]
    assert own(one) == ["2026-11-01T120000Z", "2026-11-02T120000Z"], "the other's retention has not taken them"
    assert len(own(two)) == 4, "the newest three, and their full one"
    assert rows(one, "--from", (tmp_path / "second").as_uri()) == rows(one), "nor at the second place"
    for desk in desks:
        desk.cli("backup.restore", "latest", "--to", tmp_path / f"of {desk.root.name}").rc(0)
        assert (tmp_path / f"of {desk.root.name}" / "data/whose.txt").read_text(encoding="utf-8") == desk.root.name
        assert desk.cli("backup.drill", "--json").rc(0).json()["id"] == own(desk)[-1]
        assert desk.cli("backup.verify", "--all", "--json").rc(0).json()["backups"] == own(desk)


@pytest.mark.only("posix")
def test_one_second_gives_two_workspaces_two_names_and_a_running_one_is_left_alone(
    desks: tuple[rig.Workspace, rig.Workspace], tmp_path: Path
) -> None:
    one, two = desks
    one.cli("backup", env=day(1)).rc(0)
    others = tmp_path / "shared" / "2026-11-01T120001Z-full.7z.0123abcd.part"
    others.write_bytes(b"being written")
    assert two.cli("backup", "--json", env=day(1)).rc(0).json()["backup"]["id"] == "2026-11-01T120002Z"  # type: ignore[index]
    assert others.read_bytes() == b"being written"


@pytest.mark.only("posix")
def test_another_ones_backup_is_taken_when_it_is_named_and_that_is_said(
    desks: tuple[rig.Workspace, rig.Workspace], tmp_path: Path
) -> None:
    one, two = desks
    one.cli("backup", env=day(1)).rc(0)
    two.cli("backup", env=day(2)).rc(0)
    (whose,) = [whose for whose in rows(two).values() if whose]
    assert whose.startswith("one-") and "@" in whose
    two.cli("backup.list").rc(0).says(f"of another workspace, `{whose}`")
    for task in (("backup.verify",), ("backup.show",), ("backup.restore", "--to", tmp_path / "out")):
        two.cli(task[0], "2026-11-01T120000Z", *task[1:]).rc(0).says("is not this workspace's", whose)
    checks = two.cli("health", "--only", "backup", "--json", env=day(3)).json()["checks"]
    assert "2026-11-02T120000Z" in checks[0]["evidence"]  # type: ignore[index]


@pytest.mark.only("posix")
def test_a_night_is_not_had_by_the_others_backup(desks: tuple[rig.Workspace, rig.Workspace]) -> None:
    one, two = desks
    one.cli("backup", env=day(1)).rc(0)
    two.cli("backup", "--due", env=day(1)).rc(0).says("is whole and verified")
    two.cli("backup", "--due", env=day(1)).rc(0).says("this night has its backup")


@pytest.mark.only("posix")
def test_of_a_workspace_that_was_moved_nobody_says_that_its_backup_is_gone(
    desks: tuple[rig.Workspace, rig.Workspace], tmp_path: Path
) -> None:
    one, _two = desks
    one.cli("backup", env=day(1)).rc(0)
    moved = rig.Workspace(one.root.rename(tmp_path / "moved"), one.state)
    moved.cli("health", "--only", "backup", env=day(1)).rc(3).says("2026-11-01T120000Z, is of `one-", "autosys backup")
    moved.cli("backup", env=day(1)).rc(0)
    moved.cli("health", "--only", "backup", env=day(1)).rc(0)


def renamed(desk: rig.Workspace, host: str, *args: str) -> dict[str, object]:
    """What a command says on a machine with another name, as networks give one out."""
    words = [sys.executable, "-m", "autosys_tasks.program", *args, "--json"]
    script = f"hostname {host} && exec {shlex.join(words)}"
    run = rig.start(["unshare", "--uts", "sh", "-c", script], cwd=desk.root, env={**desk.env(), **day(2)})
    return run.result().rc(0).json()


@pytest.mark.only("linux")
@pytest.mark.capability("root", "unshare", "hostname")
def test_a_machine_with_a_new_name_goes_on_with_its_backups(
    desks: tuple[rig.Workspace, rig.Workspace], tmp_path: Path
) -> None:
    one, two = desks
    for desk in desks:
        desk.cli("backup", env=day(1)).rc(0)
    (whose,) = [whose for whose in rows(one).values() if whose]
    left = tmp_path / "shared" / f"2026-11-01T130000Z-full.7z{some('', whose).part}"
    left.write_bytes(b"cut short")
    made = renamed(one, "elsewhere", "backup")["backup"]
    assert made["kind"] == "differential" and left.exists()  # type: ignore[index]
    assert sorted(filter(None, rows(one).values())) == [whose], "its earlier name is its own"
    renamed(two, "elsewhere", "backup")
    assert not left.exists(), "what the same machine left under its former name"
    shutil.rmtree(one.state)
    made = one.cli("backup", "--json", env=day(3)).rc(0).json()["backup"]
    assert made["kind"] == "differential", "by its name, where its number is lost"  # type: ignore[index]


def some(identity: str, owner: str) -> Backup:
    """A verified backup of somebody."""
    return Backup(identity, FULL, 1.0, owner=owner, verified=True)


def test_latest_is_ones_own_then_the_only_other_ones_and_of_several_a_person_chooses() -> None:
    one, two, mine = some("2026-11-03", "one@a"), some("2026-11-02", "two@a"), some("2026-11-01", "me@a")
    assert store.latest([mine, two, one], "me@a", "here") == mine
    assert store.latest([one], "me@a", "here") == one and foreign_owner(one, "me@a") == "one@a"
    with pytest.raises(UsageError) as caught:
        store.latest([two, one], "me@a", "here")
    assert "2026-11-03 of `one@a`" in caught.value.hint and "2026-11-02 of `two@a`" in caught.value.hint
    assert store.newest([two, one], "me@a") is None and foreign_owner(some("2026-11-01", ""), "me@a") == ""


def test_an_owner_is_known_by_its_number_or_by_its_name_and_its_earlier_parts_with_it() -> None:
    now = "me-0@laptop#0123abcd"
    same = ("me-0@laptop", "me-0@other#0123abcd", "me-0@laptop#ffffffff", now)
    assert all(is_own(some("2026-11-01", each), now) and is_own(some("", now), each) for each in same)
    others = ("me-0@other", "me-0@other#ffffffff", "you-0@laptop#0123abcd", "laptop#0123abcd", "me-0")
    assert not any(is_own(some("2026-11-01", each), now) for each in others)
    assert not is_own(some("", "me-0@one"), "me-0@two"), "no number is no number of both"
    assert part_suffixes(now) == (some("", "me-0@renamed#0123abcd").part, some("", "me-0@laptop").part)
    assert store.latest([some("2026-11-01", "it-0@a#1"), some("2026-11-02", "it-0@b#1")], now, "").id == "2026-11-02"
