"""`inv backup` as people and schedulers run it: what it keeps and says."""

from __future__ import annotations

import gc
import json
import os
import random
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest
import rig
from backup_desk import SETS, folder, nothing_is_left_over, whole

from autosys_tasks.backup import manifest, run, store, verify
from autosys_tasks.config.load import load
from autosys_tasks.core.clock import parse_utc
from autosys_tasks.supervise.house import house_of


def test_a_backup_is_written_read_back_and_told(desk: rig.Workspace) -> None:
    document = desk.cli("backup", "--note", "첫째", "--json").rc(0).json()
    assert document["schema"] == "autosys.run/1" and document["task"] == "backup"
    outcomes = document["outcomes"]
    assert [(each["kind"], each["ok"]) for each in outcomes] == [("write", True), ("verify", True)]  # type: ignore[attr-defined]
    assert document["summary"] == {"done": 2, "failed": 0, "skipped": 0}
    (made,) = whole(desk)
    said = document["backup"]
    assert isinstance(said, dict)
    assert said["id"] == made.id and re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}Z", made.id)
    assert (said["kind"], said["files"], said["verified"], said["complete"]) == ("full", 3, True, True)
    assert (said["local_only"], said["note"]) == (False, "첫째")
    names = sorted(path.name for path in folder(desk).iterdir())
    assert names == [f"{made.id}-full.7z", f"{made.id}-full.manifest.json"]
    document = json.loads((folder(desk) / f"{made.id}-full.manifest.json").read_text(encoding="utf-8"))
    assert {each["path"] for each in document["entries"]} >= {"autosys.toml", "설정/비밀 아님.txt", "설정/a/b.json"}
    journal = desk.journal("backup")
    assert [line["step"] for line in journal] == ["write", "verify", "summary"]
    assert journal[-1]["counts"] == document_counts(journal) and journal[-1]["made"] == made.id
    nothing_is_left_over(desk)


def document_counts(journal: list[dict[str, object]]) -> dict[str, int]:
    oks = [line["ok"] for line in journal if line["step"] != "summary"]
    return {"done": oks.count(True), "failed": oks.count(False), "skipped": oks.count(None)}


def test_an_unchanged_day_costs_next_to_nothing(desk: rig.Workspace) -> None:
    blob = random.Random(1).randbytes(3_000_000)
    (desk.root / "설정" / "blob.bin").write_bytes(blob)
    desk.cli("backup").rc(0)
    before = sum(path.stat().st_size for path in folder(desk).iterdir())
    document = desk.cli("backup", "--json").rc(0).json()
    added = sum(path.stat().st_size for path in folder(desk).iterdir()) - before
    assert document["backup"]["kind"] == "differential" and added < 200_000  # type: ignore[index, call-overload]
    assert document["backup"]["files"] == 4  # type: ignore[index, call-overload]
    assert len(whole(desk)) == 2


def tree(desk: rig.Workspace) -> dict[str, object]:
    """Every path of the workspace and its state folder, with its content."""
    paths = [path for root in (desk.root, desk.state) for path in root.rglob("*")]
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def test_after_a_run_garbage_is_looked_for_as_before(make: Callable[..., run.Report]) -> None:
    assert make().backup and make().backup
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_the_dry_run_shows_the_plan_and_changes_not_one_byte(desk: rig.Workspace) -> None:
    def look() -> None:
        plan = desk.cli("backup", "--dry-run", "--json").rc(0).json()
        assert plan["schema"] == "autosys.plan/1" and plan["task"] == "backup"
        (step,) = plan["steps"]  # type: ignore[misc]
        assert step["kind"] == "write" and step["reason"]  # type: ignore[index]
        desk.cli("backup", "--dry-run", "--exit-code").rc(9)
        desk.cli("backup.prune", "--dry-run", "--exit-code").rc(0)
        desk.cli("--dry", "backup").rc(0).says("would write")

    before = tree(desk)
    look()
    assert tree(desk) == before
    desk.cli("backup").rc(0)
    before = tree(desk)
    look()
    assert tree(desk) == before


def test_a_dry_run_leaves_no_mark_on_a_database_that_is_written_to(desk: rig.Workspace) -> None:
    """Not one byte changed, nor a time: whoever reads a database marks that in its `-shm`."""
    with closing(sqlite3.connect(desk.root / "설정" / "memory.db")) as database:
        database.executescript("pragma journal_mode=wal; create table a (b); insert into a values (1)")
        beside = desk.root / "설정" / "memory.db-shm"
        if os.name == "posix":  # Windows lets nobody set the times of what is open
            os.utime(beside, ns=(0, 0))
        before = beside.stat().st_mtime_ns
        plan = desk.cli("backup", "--dry-run", "--json").rc(0).json()
        assert plan["steps"][0]["files"] >= 4  # type: ignore[index, call-overload]
        assert beside.stat().st_mtime_ns == before


def health(desk: rig.Workspace) -> dict[str, str]:
    (check,) = desk.cli("health", "--only", "backup", "--json").json()["checks"]  # type: ignore[misc]
    return check  # type: ignore[no-any-return]


@pytest.mark.portable
@pytest.mark.parametrize("task", ["backup.verify", pytest.param("backup.drill", marks=pytest.mark.live)])
def test_nothing_is_built_upon_an_archive_that_was_found_damaged(desk: rig.Workspace, task: str) -> None:
    """A bit that flipped within an archive leaves its size: health and backups must believe whoever read it."""
    desk.cli("backup").rc(0)
    desk.cli("backup").rc(0)
    full, upon = whole(desk)
    archive = folder(desk) / f"{full.stem}.7z"
    good = archive.read_bytes()
    archive.write_bytes(good[:60] + bytes([good[60] ^ 1]) + good[61:])
    desk.cli(task).rc(3)
    assert health(desk)["verdict"] == "NG" and "damaged" in health(desk)["why"]
    made = desk.cli("backup", "--json").rc(0).json()
    assert made["backup"]["kind"] == "full"  # type: ignore[index, call-overload]
    desk.cli("backup.verify").rc(0)
    desk.cli("backup.drill").rc(0)
    assert health(desk)["verdict"] == "OK"
    desk.cli("backup.prune", "--dry-run").rc(0).says(f"{full.id} stays: damaged")
    archive.write_bytes(good)
    desk.cli("backup.verify", upon.id).rc(0)
    assert json.loads((desk.state / "backup" / "damaged.json").read_text(encoding="utf-8")) == {}


@pytest.mark.portable
def test_on_a_full_whose_manifest_is_damaged_nothing_is_built_and_the_night_has_its_backup(desk: rig.Workspace) -> None:
    desk.cli("backup").rc(0)
    (path,) = folder(desk).glob("*-full.manifest.json")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'\n,{"path"', b"\n,{'path\"", 1))
    desk.cli("backup", "--dry-run").rc(0).says("cannot be built upon: this is no entry")
    desk.cli("backup").rc(0)
    path.write_bytes(raw)
    assert [each.kind for each in whole(desk)] == ["full", "full"]


def test_a_half_of_a_backup_is_no_green(desk: rig.Workspace) -> None:
    """Given that the newest archive is gone, then health says so, though an earlier one restores."""
    desk.cli("backup").rc(0)
    desk.cli("backup").rc(0)
    desk.cli("backup.drill").rc(0)
    assert health(desk)["verdict"] == "OK"
    (folder(desk) / "notes.manifest.json").write_text("not ours", encoding="utf-8")
    assert health(desk)["verdict"] == "OK"
    desk.cli("backup.verify").rc(0)
    next(folder(desk).glob("*-differential.7z")).unlink()
    check = health(desk)
    assert check["verdict"] == "WARN" and "its archive is gone" in check["why"]


def test_it_is_the_same_from_any_folder(desk: rig.Workspace) -> None:
    """P58."""
    desk.cli("backup", cwd=desk.root / "설정" / "a").rc(0)
    assert len(whole(desk)) == 1
    assert not (desk.root / "설정" / "a" / "backups").exists()


NEEDED = """[backup.sets.env]
include = [".env", "*.toml"]
required = true
[backup.sets.x]
include = ["x.json"]
"""


@pytest.mark.portable
def test_a_listed_item_that_matches_nothing_is_named(desk: rig.Workspace) -> None:
    """P51: a required one is NG, here and on the health page; another one is said, and no failure."""
    desk.write(f"{SETS}{NEEDED}")
    result = desk.cli("backup", "--json").rc(4)
    document = result.json()
    outcomes = {each["target"]: each["ok"] for each in document["outcomes"]}  # type: ignore[attr-defined]
    assert outcomes[".env"] is False and outcomes["x.json"] is None
    assert document["summary"] == {"done": 2, "failed": 1, "skipped": 1}
    assert document["backup"]["complete"] is False  # type: ignore[index, call-overload]
    (made,) = whole(desk)
    assert [(each.path, each.required) for each in made.failed] == [(".env", True)]
    check = desk.cli("health", "--only", "backup", "--json").rc(3).json()["checks"][0]  # type: ignore[index]
    assert check["verdict"] == "NG" and "required, and not in it: .env" in check["why"]
    desk.cli("backup").rc(4).says("NG .env")
    desk.file(".env", "A=1")
    desk.cli("backup").rc(0)


@pytest.mark.only("linux")
@pytest.mark.capability("setpriv")
def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_kept(desk: rig.Workspace) -> None:
    """P52. Root reads everything, and does without that right here."""
    (desk.root / "설정" / "a" / "b.json").chmod(0)
    env = {**os.environ, **{key: value for key, value in desk.env().items() if value is not None}}
    like_anybody = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    argv = [*like_anybody, sys.executable, "-m", "autosys_tasks.program", "backup", "--json"]
    done = subprocess.run(argv, cwd=desk.root, env=env, capture_output=True, check=False)
    assert done.returncode == 4, done
    (failed,) = [each for each in json.loads(done.stdout)["outcomes"] if each["ok"] is False]
    assert failed["target"] == "설정/a/b.json" and "Permission denied" in failed["detail"]
    (made,) = whole(desk)
    assert made.files == 2 and not made.complete


SECRET = "TOKEN=hunter2-hunter2-hunter2\n"


def test_secrets_in_clear_are_for_this_user_alone_and_said_once(desk: rig.Workspace) -> None:
    desk.write(f'{SETS}[backup.sets.env]\ninclude = [".env"]\n').file(".env", SECRET)
    result = desk.cli("backup", "--json").rc(0)
    assert result.json()["backup"]["local_only"] is True  # type: ignore[index, call-overload]
    assert "hunter2" not in result.out + result.err
    assert result.err.count("WARN it holds 1 file that looks like a secret") == 1, "warnings go to stderr"
    (made,) = whole(desk)
    assert made.local_only and not made.encrypted
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in folder(desk).iterdir()} == {0o600}
    said = desk.cli("backup").rc(0)
    assert (said.out + said.err).count("AUTOSYS_BACKUP_PASSPHRASE") == 1
    assert "hunter2" not in (desk.outputs / "backup_log.jsonl").read_text(encoding="utf-8")


@pytest.mark.only("posix")
def test_git_takes_no_backup_with_all_else_unless_the_person_says_so(desk: rig.Workspace) -> None:
    """P55: `git add .` stages no archive, which may hold secrets in clear; what somebody wrote there stays."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=desk.root, capture_output=True, text=True, check=True).stdout

    desk.write(f'{SETS}[backup.sets.env]\ninclude = [".env"]\n').file(".env", SECRET)
    folder(desk).mkdir()
    (folder(desk) / ".gitignore").touch()  # as a kill leaves it
    git("init", "-q")
    desk.cli("backup").rc(0)
    assert "autosys.toml" in git("add", "--dry-run", ".") and "backups/" not in git("add", "--dry-run", ".")
    (folder(desk) / ".gitignore").write_text("*.json\n", encoding="utf-8")
    desk.cli("backup").rc(0)
    assert "-full.7z" in git("add", "--dry-run", ".") and whole(desk)


def test_with_a_passphrase_contents_and_names_are_encrypted(desk: rig.Workspace) -> None:
    desk.write(f'{SETS}[backup.sets.env]\ninclude = [".env"]\n').file(".env", SECRET)
    env = {"AUTOSYS_BACKUP_PASSPHRASE": "열려라 참깨"}
    document = desk.cli("backup", "--json", env=env).rc(0).json()
    assert document["backup"]["local_only"] is False and document["backup"]["encrypted"] is True  # type: ignore[index, call-overload]
    for path in folder(desk).iterdir():
        raw = path.read_bytes()
        for word in ("hunter2", "b.json", "설정", ".env"):
            assert word.encode() not in raw and word.encode("utf-16-le") not in raw, (path.name, word)
    again = desk.cli("backup", "--json", env=env).rc(0).json()
    assert again["backup"]["kind"] == "differential"  # type: ignore[index, call-overload]
    (first, second), _strange = store.listed(folder(desk))
    for each in (first, second):
        assert verify.verify(folder(desk), each, "열려라 참깨")[1] == []
    clear = desk.cli("backup", "--json").rc(0)
    assert clear.json()["backup"]["kind"] == "full", "nothing is added in clear to an encrypted one"  # type: ignore[index, call-overload]
    assert "before were encrypted, and this one is not" in clear.out


@pytest.mark.portable
def test_a_key_in_a_text_makes_a_backup_stay_here_and_is_stored_once(desk: rig.Workspace) -> None:
    key = "AKIA" + "Q7" * 8
    desk.file("설정/notes.txt", f"id = {key}\n")
    first = desk.cli("backup").rc(0).says("1 file that looks like a secret, in clear")
    assert (first.out + first.err).count("looks like a secret") == 1
    desk.cli("backup").rc(0)
    made = whole(desk)
    assert [(each.kind, each.local_only) for each in made] == [("full", True), ("differential", True)]
    flags = [each.flags for each in manifest.read_entries(folder(desk) / f"{made[0].stem}.manifest.json") if each.flags]
    assert flags == [("secret",)]
    stored = [each.path for each in manifest.read_entries(folder(desk) / f"{made[1].stem}.manifest.json")]
    assert "설정/notes.txt" not in stored
    clear = desk.cli("backup", "--json", env={"AUTOSYS_BACKUP_PASSPHRASE": "x"}).rc(0).json()["backup"]
    assert clear["local_only"] is False and clear["encrypted"] is True  # type: ignore[index, call-overload]


@pytest.mark.only("posix")
def test_the_command_that_is_registered_makes_a_backup_that_verifies(desk: rig.Workspace) -> None:
    """P50: the very line, with the environment that a scheduler gives, from a folder that is not the workspace."""
    files = desk.cli("schedule.show", "--only", "backup", "--platform", "linux", "--json").rc(0).json()["files"]
    (unit,) = [each["text"] for each in files if each["path"].endswith(".service")]  # type: ignore[attr-defined]
    settings = dict(line.split("=", 1) for line in unit.splitlines() if line.startswith(("ExecStart", "WorkingD")))
    words = shlex.split(settings["ExecStart"].replace("%%", "%").replace("$$", "$"))
    where = settings["WorkingDirectory"].replace("%%", "%")
    bare = {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin", "AUTOSYS_STATE": str(desk.state)}
    done = subprocess.run(words, cwd=where, env=bare, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    assert len(whole(desk)) == 1


@pytest.mark.portable
def test_thirty_nights_in_a_minute(desk: rig.Workspace, make: Callable[..., run.Report]) -> None:
    """P53: what is older than 14 days goes, never the newest, never what another needs, never what is not ours."""
    folder(desk).mkdir()
    foreign = folder(desk) / "photos-2019.7z"
    foreign.write_bytes(b"not ours")
    for night in range(30):
        desk.file("설정/day.txt", f"night {night}\n" * 100)
        report = make(f"2027-03-{night + 1:02d}T02:30:00Z")
        assert report.code == 0
        found, strange = store.listed(folder(desk))
        assert [each.partition(":")[0] for each in strange] == ["photos-2019.7z"]
        ids, now = {each.id for each in found}, found[-1].created
        assert report.backup and report.backup.id in ids
        for each in found:
            assert not each.base or each.base in ids, "a base that another needs stays"
        young = {each.id for each in found if now - each.created <= 14 * 86_400}
        assert len(young) == min(night + 1, 15), "every night of the last 14 days is there"
        needed = {each.base for each in found if each.id in young and each.base}
        assert ids == young | needed, "and nothing else, but what those need"
    assert foreign.read_bytes() == b"not ours"
    assert parse_utc("2027-03-30T02:30:00Z") == found[-1].created
    for each in found:
        assert verify.verify(folder(desk), each)[1] == []


@pytest.mark.portable
def test_a_clock_that_was_years_ahead_once_spoils_no_later_night(
    desk: rig.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids go on from the wrong one, ages do not: nights are differentials again, old ones go, health sees the youth."""
    from autosys_tasks.backup import run

    desk.write(f"[backup]\nkeep_days = 3\n{SETS}")
    monkeypatch.setenv("AUTOSYS_STATE", str(desk.state))
    monkeypatch.delenv("AUTOSYS_WORKSPACE", raising=False)
    house = house_of(load(desk.root))
    kinds = []
    for when in ["2027-03-01", "2099-01-01", *(f"2027-03-{day:02d}" for day in range(2, 21))]:
        monkeypatch.setenv("AUTOSYS_NOW", f"{when}T02:30:00Z")
        made = run.backup(house).backup
        assert made
        kinds.append(made.kind)
    found, _strange = store.listed(folder(desk))
    assert [each.id for each in found] == sorted(each.id for each in found)
    assert made == found[-1] == store.find(folder(desk), "latest"), "the newest is the last one made"
    assert kinds.count("full") <= 5, kinds
    assert len(found) <= 9, "what is older than keep_days went"
    assert "2099-01-01T023000Z" in {each.id for each in found}, "that one is a person's to judge"
    (check,) = desk.cli("health", "--only", "backup", "--json").json()["checks"]  # type: ignore[misc]
    assert "ahead of now" not in (check["why"] or "")


@pytest.mark.portable
def test_where_nothing_is_declared_a_backup_says_that_nothing_is_in_it(workspace: rig.Workspace) -> None:
    workspace.write("[backup.git]\nenabled = false\n")
    assert "nothing is in it" in str(workspace.cli("backup", "--dry-run", "--json").rc(0).json()["notes"])
    declare = "[backup.sets.NAME] in autosys.toml declares what to keep"
    said = workspace.cli("backup").rc(0).says("WARN nothing is in it", "WARN: ", "holds no file", declare)
    assert "OK: " not in said.out
    workspace.cli("backup.verify").rc(0).says("WARN: 0 files of 1 backup read", declare)
    workspace.cli("backup.drill").rc(0).says("WARN: ", "holds no file", declare)


@pytest.mark.only("posix")
def test_a_backup_of_the_year_1_has_a_name_that_is_one(make: Callable[..., run.Report], desk: rig.Workspace) -> None:
    made = make("0001-01-02T00:00:00Z").backup
    assert made and made.id == "0001-01-02T000000Z" and store.ids(folder(desk)) == {made.id}
    assert desk.journal("backup")[-1]["ts"] == "0001-01-02T00:00:00.000Z"
