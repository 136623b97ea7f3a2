"""When a night lacks its backup, and that a missed one is begun in the background, once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import rig
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.backup import night
from autosys_tasks.backup.owner import owner_of
from autosys_tasks.backup.values import owner_parts
from autosys_tasks.config.load import load
from autosys_tasks.core import daily
from autosys_tasks.core.clock import wall

SETS = '[backup]\nat = 03:30:00\n[backup.sets.config]\ninclude = ["autosys.toml"]\n[backup.git]\nenabled = false\n'


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def local(text: str) -> str:
    """A moment by this machine's clock as AUTOSYS_NOW wants it."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@given(st.floats(1.6e9, 1.9e9), st.sampled_from(["03:30:00", "00:00:00", "02:30:00", "23:59:59"]))
def test_now_lies_between_two_nights_that_are_a_day_apart(now: float, time: str) -> None:
    """Also on the two days of the year that have 23 and 25 hours."""
    last, following = daily.previous_and_next(time, now, ZoneInfo("Europe/Berlin"))
    assert last <= now < following
    assert 22 * 3600 <= following - last <= 26 * 3600


NAMES = [
    ([], None),
    (["2026-11-28T023000Z-full.manifest.json", "2026-11-29T023000Z-full.manifest.json"], "2026-11-29T02:30:00Z"),
    (["2026-11-29T023000Z-full.7z", "2026-11-29T023000Z-full.manifest.json.part"], None),
    (["notes.manifest.json", "2026-99-99T023000Z-full.manifest.json"], None),
    (["2026-11-28T023000Z-full.manifest.json", "2099-01-01T000000Z-full.manifest.json"], "2026-11-28T02:30:00Z"),
]


@pytest.mark.parametrize(("names", "wanted"), NAMES)
def test_the_newest_backup_is_known_by_its_name(tmp_path: Path, names: list[str], wanted: str | None) -> None:
    """Half ones and foreign ones do not count, and one of a clock that was years ahead blocks nothing."""
    for name in names:
        (tmp_path / name).touch()
    assert night.newest(tmp_path, at("2026-11-29T12:00:00Z")) == (at(wanted) if wanted else None)
    assert night.newest(tmp_path / "gone", 0.0) is None


def test_a_machine_that_was_named_anew_has_the_night_that_it_had(
    desk: rig.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOSYS_STATE", str(desk.state))
    desk.cli("backup").rc(0)
    (path,) = (desk.root / "backups").glob("*.manifest.json")
    config, text = load(desk.root), path.read_text(encoding="utf-8")
    _workspace, host, number = owner_parts(owner_of(config))
    for other, is_ours in ((f"@before#{number}", True), ("@before#00000000", False)):
        path.write_text(text.replace(f"@{host}#{number}", other), encoding="utf-8", newline="\n")
        assert (night.newest(path.parent, wall(), config) is not None) == is_ours


@pytest.fixture
def desk(workspace: rig.Workspace) -> rig.Workspace:
    """A workspace with something to keep, nothing registered, and no guard."""
    return workspace.write(f"[watchdog]\nguard = false\n{SETS}")


def backups(desk: rig.Workspace) -> list[str]:
    folder = desk.root / "backups"
    return sorted(path.name for path in folder.glob("*.manifest.json")) if folder.exists() else []


def quiet(desk: rig.Workspace) -> bool:
    return not desk.alive()


def tick(desk: rig.Workspace, when: str, *more: str) -> str:
    """A tick at that time of this machine's clock, and everything that it began waited for."""
    said = desk.cli("watchdog", *more, env={"AUTOSYS_NOW": local(when)}).rc(0)
    rig.wait_for(lambda: quiet(desk), rig.PATIENCE_S, what="what the tick began to end")
    return said.out + said.err


def test_a_missed_night_is_caught_up_once_by_the_next_tick(desk: rig.Workspace) -> None:
    """Given that the machine was off at 03:30, then one backup is made, in the background, and no second one."""
    assert "backup: begun" in tick(desk, "2027-01-05T08:00:00")
    first = backups(desk)
    assert len(first) == 1
    assert "backup" not in tick(desk, "2027-01-05T08:05:00")
    assert "backup" not in tick(desk, "2027-01-06T03:29:00"), "the night has not come yet"
    assert "backup" not in tick(desk, "2027-01-06T03:31:00"), "a scheduler has its chance"
    assert backups(desk) == first
    assert "backup: begun" in tick(desk, "2027-01-06T03:36:00")
    assert len(backups(desk)) == 2
    summary = [line for line in desk.journal("backup") if line["step"] == "summary"]
    assert [(line["task"], line["ok"]) for line in summary] == [
        ("backup", True), ("backup.drill", True), ("backup", True),
    ], "and the first is proven by a drill"  # fmt: skip


@pytest.mark.portable
def test_a_night_that_failed_is_not_tried_at_every_tick(desk: rig.Workspace) -> None:
    (desk.root / "backups").write_text("no folder", encoding="utf-8")
    assert "backup: begun" in tick(desk, "2027-01-05T08:00:00")
    assert "backup" not in tick(desk, "2027-01-05T08:05:00")
    assert "backup: begun" in tick(desk, "2027-01-06T08:05:00"), "another night, another try"
    (desk.root / "backups").unlink()


@pytest.mark.portable
def test_nobody_who_did_not_ask_for_backups_gets_any(workspace: rig.Workspace) -> None:
    workspace.write("[watchdog]\nguard = false\n")
    assert "backup" not in tick(workspace, "2027-01-05T08:00:00")
    assert not (workspace.root / "backups").exists()


@pytest.mark.portable
def test_what_a_person_registered_is_kept_without_sets(workspace: rig.Workspace) -> None:
    workspace.write("[watchdog]\nguard = false\n").file("a.txt", "a")
    workspace.state.mkdir(parents=True)
    (workspace.state / "schedule.json").write_text('["backup"]', encoding="utf-8")
    assert "backup: begun" in tick(workspace, "2027-01-05T08:00:00")


def test_a_dry_tick_says_it_and_begins_nothing(desk: rig.Workspace) -> None:
    said = desk.cli("watchdog", "--dry-run", env={"AUTOSYS_NOW": local("2027-01-05T08:00:00")}).rc(0)
    assert "would begin a backup: due since" in said.out
    assert quiet(desk) and not (desk.root / "backups").exists() and not desk.state.exists()


def test_two_ticks_at_once_begin_one(desk: rig.Workspace) -> None:
    now = {"AUTOSYS_NOW": local("2027-01-05T08:00:00")}
    both = [desk.start("watchdog", env=now) for _ in range(2)]
    said = [each.result().rc(0) for each in both]
    rig.wait_for(lambda: quiet(desk), rig.PATIENCE_S)
    assert sum("backup: begun" in each.out for each in said) <= 1
    tick(desk, "2027-01-05T08:05:00")
    assert len(backups(desk)) == 1


def test_the_master_catches_up_too(desk: rig.Workspace) -> None:
    desk.cli("master", env={"AUTOSYS_NOW": local("2027-01-05T08:00:00")}).rc(0).says("backup: begun")
    rig.wait_for(lambda: quiet(desk), rig.PATIENCE_S)
    assert len(backups(desk)) == 1


@pytest.mark.portable
def test_the_nightly_run_makes_none_that_the_night_has(desk: rig.Workspace) -> None:
    """The system catches up by itself as well, and may come after the tick."""
    night_of = {"AUTOSYS_NOW": local("2027-01-05T03:29:58")}  # timers are not exact
    said = desk.cli("backup", "--due", "--json", env=night_of).rc(0).json()
    assert said["summary"]["done"] and "restores" in said["notes"][-1], "the first night is proven by a drill, too"
    late = {"AUTOSYS_NOW": local("2027-01-05T08:00:00")}
    again = desk.cli("backup", "--due", "--json", env=late).rc(0).json()
    assert again["summary"] == {"done": 0, "failed": 0, "skipped": 0} and again["backup"] is None
    assert len(backups(desk)) == 1
    desk.cli("backup", env=late).rc(0)
    assert len(backups(desk)) == 2, "a person's own is never refused"
