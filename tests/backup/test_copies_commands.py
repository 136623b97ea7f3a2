"""`--from`: the real commands, with backups that lie at a second place and nowhere else."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import rig
from copying import DAY, declared, keep_all
from kept_trees import DATA_ALONE, FIRST, SECOND, keep, things, write
from other_places import Site

from autosys_tasks.backup import store
from autosys_tasks.backup.copies.run import copy_all

pytestmark = pytest.mark.portable


class Away(rig.Workspace):
    """A new machine: a workspace without backups, and a place that has two."""

    place: str
    tree: Path


def away(workspace: rig.Workspace, site: Site, tmp_path: Path) -> Away:
    space = Away(workspace.write(DATA_ALONE).root, workspace.state)
    tree, backups = tmp_path / "tree", tmp_path / "was-here"
    write(tree / "data/a.txt", b"first\n")
    write(tree / "data/문서/보고서 \U0001f600.txt", b"report\n" * 999)
    full = keep(backups, tree)
    write(tree / "data/a.txt", b"second\n")
    keep(backups, tree, at=SECOND, base=full)
    done, _ = copy_all(declared(site.address()), backups, store.listed(backups)[0], tmp_path / "old", DAY, keep_all)
    assert [outcome.ok for outcome in done] == [True, True]
    shutil.rmtree(backups)
    space.place, space.tree = site.address(), tree
    return space


@pytest.fixture
def anywhere(site: Site, workspace: rig.Workspace, tmp_path: Path) -> Away:
    return away(workspace, site, tmp_path)


@pytest.fixture
def new(near: Site, workspace: rig.Workspace, tmp_path: Path) -> Away:
    return away(workspace, near, tmp_path)


# The whole way: `inv backup` and `inv health`


@pytest.fixture
def desk(workspace: rig.Workspace, tmp_path: Path) -> rig.Workspace:
    """A workspace that is copied to a folder."""
    workspace.file("data/a.txt", "first")
    copies = f'copies = ["{(tmp_path / "b").as_uri()}"]'
    return workspace.write(DATA_ALONE.replace("[backup.git]", f"[backup]\n{copies}\n[backup.git]"))


def test_a_backup_is_copied_and_a_second_one_adds_to_it(desk: rig.Workspace, tmp_path: Path) -> None:
    plan = desk.cli("backup", "--dry-run", "--json").rc(0).json()
    assert [step["kind"] for step in plan["steps"]] == ["write", "copy"]  # type: ignore[attr-defined]
    assert not (tmp_path / "b").exists()
    for _ in range(2):
        outcomes = desk.cli("backup", "--json").rc(0).json()["outcomes"]
        assert [each["kind"] for each in outcomes] == ["write", "verify", "copy"], outcomes  # type: ignore[attr-defined]
        here, there = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in
                       (desk.root / "backups", tmp_path / "b"))  # fmt: skip
        assert {name: data for name, data in here.items() if name[0].isdigit()} == there


def test_a_failed_copy_is_named_and_harms_no_backup_and_health_warns_after_two_days(
    desk: rig.Workspace, tmp_path: Path
) -> None:
    desk.cli("backup").rc(0)
    (tmp_path / "b").rename(tmp_path / "unplugged")
    desk.cli("backup").rc(4).says("is not there any more", "plug in", "NG: partial")
    assert len(list((desk.root / "backups").glob("*.7z"))) == 2
    desk.cli("backup.verify").rc(0)
    assert "no good copy" not in _why(desk, 24)
    assert "no good copy" in _why(desk, 60) and "is not there any more" in _why(desk, 60)
    (tmp_path / "unplugged").rename(tmp_path / "b")
    desk.cli("backup").rc(0)
    names = [{path.name for path in folder.glob("*.7z")} for folder in (desk.root / "backups", tmp_path / "b")]
    assert names[0] == names[1]


@pytest.mark.parametrize("command", ["backup.verify --all", "backup.restore latest --to back"])
@pytest.mark.parametrize("end", ["7z", "manifest.json"])
def test_what_is_found_damaged_at_a_place_is_sent_there_again(
    desk: rig.Workspace, tmp_path: Path, command: str, end: str
) -> None:
    desk.cli("backup").rc(0)
    (path,) = (tmp_path / "b").glob(f"*-full.{end}")
    whole = path.read_bytes()
    at = min(40, len(whole) - 2)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    place = ["--from", (tmp_path / "b").as_uri()]
    desk.cli(*command.split(), *place).rc(2, 3, 4)
    desk.cli("backup").rc(0)
    assert path.read_bytes() == whole
    desk.cli("backup.verify", "--all", *place).rc(0)
    again = desk.cli("backup", "--json").rc(0).json()["outcomes"]
    assert len([each for each in again if each["kind"] == "copy"]) == 1  # type: ignore[attr-defined]


def test_what_is_damaged_at_a_place_and_here_no_more_stays_there(desk: rig.Workspace, tmp_path: Path) -> None:
    desk.cli("backup").rc(0)
    (path,) = (tmp_path / "b").glob("*-full.7z")
    damaged = path.read_bytes()[:-9] + b"\0" * 9
    path.write_bytes(damaged)
    desk.cli("backup.verify", "--all", "--from", (tmp_path / "b").as_uri()).rc(3)
    shutil.rmtree(desk.root / "backups")
    later = {"AUTOSYS_NOW": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}
    desk.cli("backup", env=later).rc(0)
    assert path.read_bytes() == damaged


def test_a_place_in_the_workspace_itself_is_warned_of(desk: rig.Workspace, tmp_path: Path) -> None:
    elsewhere = desk.cli("backup", "--json").rc(0).json()["notes"]
    assert "lies in the workspace" not in str(elsewhere)
    inside = (desk.root / "backups" / "again").as_uri()
    toml = desk.root / "autosys.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace((tmp_path / "b").as_uri(), inside), encoding="utf-8")
    notes = desk.cli("backup", "--json").rc(0).json()["notes"]
    assert "WARN" in str(notes) and "lies in the workspace" in str(notes)
    (check,) = desk.cli("health", "--only", "backup", "--json").rc(0).json()["checks"]  # type: ignore[attr-defined]
    assert check["verdict"] == "WARN" and "lies in the workspace" in check["why"] and inside in check["why"]


def _why(desk: rig.Workspace, hours: float) -> str:
    """What the check says of backups so many hours later, when another backup was made in time."""
    later = {"AUTOSYS_NOW": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hours * 3600))}
    desk.cli("backup", env=later).rc(4)
    checks = desk.cli("health", "--only", "backup", "--json", env=later).rc(0, 3).json()["checks"]
    assert isinstance(checks, list) and checks[0]["verdict"] == "WARN", checks
    return str(checks[0]["why"])


def test_secrets_in_clear_stay_here_and_it_is_said(desk: rig.Workspace, tmp_path: Path) -> None:
    desk.file("data/.env", "TOKEN=hunter2hunter2")
    run = desk.cli("backup", "--json").rc(0)
    assert "AUTOSYS_BACKUP_PASSPHRASE" in json.dumps(run.json()["notes"]) and not list(tmp_path.glob("b/*"))
    desk.cli("backup", env={"AUTOSYS_BACKUP_PASSPHRASE": "a long word"}).rc(0)
    assert list(tmp_path.glob("b/*.7z"))


# `--from`


def left(space: Away) -> list[str]:
    """What fetching has left behind."""
    return [path.name for path in (space.state / "backup").glob("*")]


def test_an_empty_machine_lists_verifies_and_restores_from_a_second_place(anywhere: Away) -> None:
    listed = anywhere.cli("backup.list", "--from", anywhere.place, "--json").rc(0).json()
    assert [row["id"] for row in listed["backups"]] == [FIRST, SECOND] and listed["others"] == []  # type: ignore[attr-defined]
    checked = anywhere.cli("backup.verify", "--from", anywhere.place, "--json").rc(0).json()
    assert checked["backups"] == [SECOND] and checked["damaged"] == [] and checked["files_checked"] == 3
    to = anywhere.root / "back"
    anywhere.cli("backup.restore", "latest", "--from", anywhere.place, "--to", to).rc(0)
    assert things(to) == things(anywhere.tree) and left(anywhere) == []
    assert not (anywhere.root / "backups").exists()


def test_one_file_of_an_older_backup_and_a_dry_run(new: Away) -> None:
    to = new.root / "back"
    plan = new.cli("backup.restore", FIRST, "data/a.txt", "--from", new.place, "--to", to, "--dry-run", "--json").rc(0)
    assert "data/a.txt" in json.dumps(plan.json()) and not to.exists()
    new.cli("backup.restore", FIRST, "data/a.txt", "--from", new.place, "--to", to).rc(0)
    assert (to / "data/a.txt").read_bytes() == b"first\n"


def test_damage_there_is_named_and_the_exit_code_is_3(new: Away, tmp_path: Path) -> None:
    path = tmp_path / "백업 a" / f"{FIRST}-full.7z"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    for words in (["backup.verify", FIRST], ["backup.verify", "--all"]):
        found = new.cli(*words, "--from", new.place, "--json").rc(3).json()
        assert f"{FIRST}-full" in json.dumps(found["damaged"]), found
    went = new.cli("backup.restore", FIRST, "--from", new.place, "--to", new.root / "back")
    went.rc(4).says(f"{FIRST}-full.7z", "NG data/")
    assert left(new) == []


def test_only_the_archives_that_a_restore_reads_are_fetched(new: Away, tmp_path: Path) -> None:
    """What is damaged shows what is read."""
    full = tmp_path / "백업 a" / f"{FIRST}-full.7z"
    full.write_bytes(b"nobody reads it")
    went = new.cli("backup.restore", "latest", "data/a.txt", "--from", new.place, "--to", new.root / "back").rc(0)
    assert (new.root / "back/data/a.txt").read_bytes() == b"second\n" and f"{FIRST}-full" not in went.err
    again = new.cli("backup.restore", "latest", "data/a.txt", "--from", new.place, "--to", new.root / "back").rc(0)
    assert "fetching" not in again.err, "it is there already"
    wrong = new.cli("backup.restore", "latest", "data/b.txt", "--from", new.place, "--to", new.root / "back").rc(2)
    assert "data/a.txt" in wrong.err and "fetching" not in wrong.err


def test_an_encrypted_one_is_not_fetched_by_who_has_no_passphrase(desk: rig.Workspace, tmp_path: Path) -> None:
    secret = {"AUTOSYS_BACKUP_PASSPHRASE": "암호 1"}
    desk.cli("backup", env=secret).rc(0)
    place = ["--from", (tmp_path / "b").as_uri()]
    for words in (["backup.restore", "latest", "--to", "back"], ["backup.show", "latest"]):
        said = desk.cli(*words, *place, env={"AUTOSYS_BACKUP_PASSPHRASE": None})
        assert "fetching" not in said.err and "AUTOSYS_BACKUP_PASSPHRASE" in said.out + said.err, said
    desk.cli("backup.restore", "latest", "--to", "back", *place, env=secret).rc(0)
    assert (desk.root / "back/data/a.txt").read_text(encoding="utf-8") == "first"


def test_a_wrong_passphrase_is_said_before_an_archive_is_fetched(desk: rig.Workspace, tmp_path: Path) -> None:
    (desk.root / "data/big.bin").write_bytes(os.urandom(2_000_000))
    secret = {"AUTOSYS_BACKUP_PASSPHRASE": "암호 1"}
    desk.cli("backup", env=secret).rc(0)
    place = ["--from", (tmp_path / "b").as_uri()]
    for wrong in ({"AUTOSYS_BACKUP_PASSPHRASE": "암호 2"}, {"AUTOSYS_BACKUP_PASSPHRASE": None}):
        for words in (["backup.restore", "latest", "--to", "back"], ["backup.verify", "latest"]):
            said = desk.cli(*words, *place, env=wrong).rc(2)
            assert "fetching" not in said.err and "AUTOSYS_BACKUP_PASSPHRASE" in said.err, said
    said = desk.cli("backup.show", "latest", *place, env={"AUTOSYS_BACKUP_PASSPHRASE": "암호 2"}).rc(2)
    assert "fetching" not in said.err and "the passphrase is not the one" in said.err, said
    desk.cli("backup.verify", "latest", *place, env=secret).rc(0).says("fetching")


def test_every_backup_there_is_verified(new: Away) -> None:
    found = new.cli("backup.verify", "--all", "--from", new.place, "--json").rc(0).json()
    assert found["backups"] == [FIRST, SECOND] and left(new) == []


def test_what_is_wrong_on_the_command_line_is_said_before_anything_is_fetched(new: Away) -> None:
    new.cli("backup.restore", "latest", "--from", new.place).rc(2).says("--to")
    new.cli("backup.restore", "2026-11-30T033000Z", "--from", new.place, "--to", "x").rc(2).says(SECOND)
    error = new.cli("backup.list", "--from", "ftp://me:hunter2@nas/x", "--json").rc(2)
    assert "hunter2" not in error.out + error.err and "ftp://me:***@nas/x" in error.out
    new.cli("backup.list", "--from", "sftp://me:${env:NOT_SET}@nas/x").rc(2).says("`${env:NOT_SET}` is not defined")


def test_a_place_that_is_not_there_says_what_to_do_and_ends_4(new: Away, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "백업 a")
    error = new.cli("backup.list", "--from", new.place, "--json").rc(4).json()["error"]
    assert isinstance(error, dict) and "is not there any more" in error["message"] and error["hint"]


def test_an_empty_place_says_how_a_copy_comes_there(new: Away, tmp_path: Path) -> None:
    place = (tmp_path / "empty").as_uri()
    (tmp_path / "empty").mkdir()
    new.cli("backup.list", "--from", place).rc(0).says(f"no backup at `{place}`", "`copies` of [backup]")
    new.cli("backup.list").rc(0).says("there is no backup yet: autosys backup\n")


def test_a_place_may_come_from_the_environment(new: Away) -> None:
    found = new.cli("backup.list", "--from", "${env:PLACE}", "--json", env={**os.environ, "PLACE": new.place}).rc(0)
    assert found.json()["backups"]
