"""What the check of backups says of what it saw, as a table: no process, no file, no clock."""

from __future__ import annotations

import re

import pytest

from autosys_tasks.backup.values import Backup, Failed
from autosys_tasks.config.model import Config
from autosys_tasks.core.verdict import NG, OK, SKIP, WARN, Check
from autosys_tasks.health import plan
from autosys_tasks.health.plan_backup import AGE_S, DRILL_S
from autosys_tasks.health.values import BackupSeen, Look, Seen
from autosys_tasks.supervise.values import Now

WALL = 2_000_000_000.0
HOUR = 3600.0
NEWEST = Backup("2033-05-18T010000Z", "full", WALL - 2 * HOUR, files=3, bytes=12_000, verified=True)
GOOD = BackupSeen(
    1, True, NEWEST, run_at=WALL - 2 * HOUR, run_made=NEWEST.id, drill_at=WALL - 3 * HOUR, drill_ok=True, run_ok=True
)
ENV = Failed(".env", "`config` asks for it, and nothing matches", True)
LOCKED = Failed("a/b.log", "Permission denied")


def page(seen: BackupSeen) -> Check:
    look = Look("backup", "daily backup", lambda: None)
    return plan.page(Config("/w", "w"), [look], {"backup": Seen(seen)}, Now(WALL, 5_000.0, "b"))[0]


def made(**more: object) -> BackupSeen:
    return GOOD._replace(newest=NEWEST._replace(**more))  # type: ignore[arg-type]


RUN = ("inv", "backup")
DRILL = ("inv", "backup.drill")
CASES = {
    "nothing is declared": (BackupSeen(), SKIP, "nothing is declared", None),
    "young, whole, drilled": (GOOD, OK, "", None),
    "sets alone": (GOOD._replace(git=False), OK, "", None),
    "git alone": (GOOD._replace(sets=0), OK, "", None),
    "never made, nothing asked": (BackupSeen(1), WARN, "none was ever made", None),
    "never made, in a repository": (BackupSeen(0, True), WARN, "none was ever made", None),
    "registered this evening": (BackupSeen(1, wanted=True, since=WALL - HOUR), WARN, "the first is due at", None),
    "registered, and never ran": (BackupSeen(1, wanted=True, since=WALL - 2 * AGE_S), NG, "none was made in", RUN),
    "never made, tried": (
        BackupSeen(1, run_at=WALL - HOUR, run_ok=False, run_detail="No space left"), NG, "No space left", RUN,
    ),
    "made, and gone": (BackupSeen(1, run_at=WALL, run_made="2033-05-18T010000Z"), NG, "is gone", RUN),
    "made, by a machine of another name": (
        BackupSeen(1, run_at=WALL, run_made=NEWEST.id, run_owner="w-0@old"), NG, "is of `w-0@old`", RUN,
    ),
    "too old": (made(created=WALL - 27 * HOUR), NG, "27 h old", RUN),
    "old, within a night": (made(created=WALL - 25 * HOUR), OK, "", None),
    "of tomorrow": (made(created=WALL + 20 * HOUR), WARN, "ahead of now", RUN),
    "an archive of another size": (GOOD._replace(lost="x.7z has 1 bytes, and had 2"), NG, "x.7z has 1 bytes", RUN),
    "a manifest without its archive": (GOOD._replace(halves=("x: its archive is gone",)), WARN, "x: its archive", None),
    "the last run failed": (
        GOOD._replace(run_at=WALL - HOUR, run_made="", run_ok=False, run_detail="interrupted"), NG, "interrupted", RUN,
    ),
    "an earlier run failed": (
        GOOD._replace(run_at=WALL - 9 * HOUR, run_made="", run_ok=False, run_detail="interrupted"), OK, "", None,
    ),
    "a required item that matches nothing": (made(failed=(LOCKED, ENV)), NG, "required, and not in it: .env", None),
    "a file that was locked": (made(failed=(LOCKED,)), WARN, "a/b.log: Permission denied", None),
    "an encrypted one tells no names": (made(failed=(LOCKED._replace(path=""),)), WARN, "encrypted: Permission", None),
    "an item that matches nothing": (GOOD._replace(idle=("config.json",)), WARN, "config.json", None),
    "never drilled": (GOOD._replace(drill_at=None), WARN, "never tried", None),
    "a drill that failed": (GOOD._replace(drill_ok=False, drill_why="a.txt differs"), NG, "a.txt differs", DRILL),
    "a drill of long ago": (GOOD._replace(drill_at=WALL - 2 * DRILL_S), WARN, "the last drill was", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_backup_is_green_only_when_it_is_proven(case: str) -> None:
    """P50, P51: not by being registered, but by an archive that was read back; every red names what and what to do."""
    seen, verdict, why, command = CASES[case]
    found = page(seen)
    assert found.verdict == verdict, found
    assert why in found.why and bool(found.why) == (verdict != OK)
    if verdict == NG:
        assert found.fix and (found.fix.command == (command or ()))
    if verdict in (NG, WARN):
        assert found.fix and (found.fix.command or found.fix.text)
        commands = re.findall(r"inv [^;]*", found.fix.text)
        to_type = r"inv [a-z.]+( latest)?"
        assert all(re.fullmatch(to_type, each) for each in commands), f"to be typed as it stands: {found.fix}"


def test_the_worst_is_said_first_and_no_red_hides_another() -> None:
    found = page(made(created=WALL - 30 * HOUR, failed=(ENV,))._replace(drill_at=None))
    assert found.verdict == NG and "30 h old" in found.why and ".env" in found.why


def test_many_names_are_counted() -> None:
    many = tuple(Failed(f"f{number}", "locked") for number in range(9))
    assert "f2: locked and 6 more" in page(made(failed=many)).why
