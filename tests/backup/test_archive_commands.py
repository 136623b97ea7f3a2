"""`inv backup.list`, `.show`, `.verify`, `.restore`, `.diff`, `.drill`: documents, exit codes, words."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import rig
from git_repos import Repo, new_repo
from kept_trees import DATA_ALONE, FIRST, SECOND, keep, things, write

from autosys_tasks.backup.git.capture import capture
from autosys_tasks.backup.values import Backup


@pytest.fixture
def desk(workspace: rig.Workspace) -> rig.Workspace:
    """A workspace with some data, and a full and a differential backup of it."""
    workspace.write(DATA_ALONE)
    write(workspace.root / "data/a.txt", b"first\n")
    write(workspace.root / "data/문서/보고서 \U0001f600.txt", b"report\n" * 999)
    write(workspace.root / "data/.env", b"TOKEN=hunter2\n")
    made(workspace)
    return workspace


def made(desk: rig.Workspace, **more: object) -> tuple[Backup, Backup]:
    """The two backups; between them one file changed, one went, one came."""
    kept = desk.root.parent / "kept"
    shutil.copytree(desk.root / "data", kept / "data")
    full = keep(desk.root / "backups", kept, **more)  # type: ignore[arg-type]
    write(kept / "data/a.txt", b"second\n")
    write(kept / "data/new.txt", b"new\n")
    (kept / "data/.env").unlink()
    return full, keep(desk.root / "backups", kept, at=SECOND, base=full, **more)  # type: ignore[arg-type]


def flip(desk: rig.Workspace, stem: str) -> None:
    """One bit of the first file's bytes."""
    path = desk.root / "backups" / f"{stem}.7z"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def test_a_file_in_the_place_of_the_folder_of_backups_is_named_with_what_to_do(workspace: rig.Workspace) -> None:
    workspace.write(DATA_ALONE).file("backups", "")
    away = f"move the file `{workspace.root / 'backups'}` away"
    for words, code in ((["backup.list"], 1), (["backup", "--dry-run"], 1), (["health", "--only", "backup"], 3)):
        workspace.cli(*words).rc(code).says(f"cannot read `{workspace.root / 'backups'}`", away)


def test_where_the_latest_is_torn_an_older_one_is_taken_and_said_p26(desk: rig.Workspace) -> None:
    write(desk.root / f"backups/{SECOND}-differential.manifest.json", b"{")
    shown = desk.cli("backup.restore", "latest", "--to", "back", "--json").rc(0)
    notes = shown.json()["notes"]
    assert isinstance(notes, list) and f"left out is {SECOND}-differential.manifest.json: " in notes[0]
    assert f"WARN {FIRST} is taken" in shown.err
    assert (desk.root / "back/data/a.txt").read_bytes() == b"first\n"
    shown = desk.cli("backup.restore", "latest", "--to", "again").rc(0)
    assert f"from {FIRST} to " in shown.out and f"left out is {SECOND}" in shown.err


def test_of_an_older_torn_one_latest_says_nothing(desk: rig.Workspace) -> None:
    write(desk.root / "backups/2026-01-01T000000Z-full.manifest.json", b"{")
    shown = desk.cli("backup.show", "latest").rc(0)
    assert "left out" not in shown.out + shown.err


def test_the_list_names_each_backup_and_what_is_none(desk: rig.Workspace) -> None:
    write(desk.root / "backups/holiday.zip", b"mine")
    found = desk.cli("backup.list", "--json").rc(0).json()
    assert found["schema"] == "autosys.backup.list/1"
    rows = found["backups"]
    assert isinstance(rows, list) and [(row["id"], row["kind"], row["base"]) for row in rows] == [
        (FIRST, "full", None), (SECOND, "differential", FIRST),
    ]  # fmt: skip
    keys = {"id", "kind", "created", "files", "bytes", "verified", "complete", "local_only", "note"}
    assert all(keys <= set(row) and row["note"] is None and row["verified"] is True for row in rows)
    desk.cli("backup.list").rc(0).says(FIRST, "differential", "holiday.zip")


@pytest.mark.portable
def test_an_empty_list_says_what_makes_a_backup(workspace: rig.Workspace) -> None:
    workspace.write(DATA_ALONE)
    workspace.cli("backup.list").rc(0).says("autosys backup")
    assert workspace.cli("backup.list", "--json").rc(0).json()["backups"] == []
    tasks = ("backup.verify", "backup.drill", "backup.drill --dry-run", "backup.verify --all", "backup.diff latest")
    for task in tasks:
        workspace.cli(*task.split()).rc(2).says("no verified backup")
    workspace.cli("backup.show", "2026-11-29T033000Z").rc(2).says("there is no backup", "autosys backup")
    workspace.cli("backup").rc(0)
    (check,) = workspace.cli("health", "--only", "backup", "--json").json()["checks"]  # type: ignore[misc]
    assert "restoring was never tried" in check["why"], "a drill without a backup says nothing of one"


@pytest.mark.portable
def test_show_tells_all_that_can_be_restored(desk: rig.Workspace) -> None:
    found = desk.cli("backup.show", "latest", "--json").rc(0).json()
    entries = found["entries"]
    assert isinstance(entries, list) and [row["path"] for row in entries] == [
        "data", "data/a.txt", "data/new.txt", "data/문서", "data/문서/보고서 \U0001f600.txt",
    ]  # fmt: skip
    desk.cli("backup.show", FIRST).rc(0).says("data/.env", "14 B")
    desk.cli("backup.show").rc(2).says("id of a backup")
    desk.cli("backup.show", "latest", "extra").rc(2).says("takes one id of a backup, and 2 words are given")
    desk.cli("backup.show", FIRST[:-3]).rc(2).says("did you mean")


@pytest.mark.portable
def test_names_of_an_encrypted_backup_need_the_passphrase(workspace: rig.Workspace) -> None:
    workspace.write(DATA_ALONE)
    for name in ("secret name", "a.txt", ".env"):
        write(workspace.root / "data" / name, b"x")
    made(workspace, passphrase="비밀")
    closed = workspace.cli("backup.show", FIRST, "--json").rc(0)
    assert closed.json()["entries"] is None and "secret name" not in closed.out
    key = {"AUTOSYS_BACKUP_PASSPHRASE": "비밀"}
    workspace.cli("backup.show", FIRST, env=key).rc(0).says("data/secret name")
    workspace.cli("backup.verify", "--all", env=key).rc(0).says("OK: ")
    for task in (["backup.restore", FIRST, "--to", "out"], ["backup.verify"]):
        said = workspace.cli(*task, env={"AUTOSYS_BACKUP_PASSPHRASE": "wrong"}).rc(2)
        assert said.err.count("AUTOSYS_BACKUP_PASSPHRASE") == 1 and "Traceback" not in said.err
    assert not (workspace.root / "out").exists()


@pytest.mark.portable
def test_verify_reads_it_all_and_its_base(desk: rig.Workspace) -> None:
    found = desk.cli("backup.verify", "--json").rc(0).json()
    assert found["damaged"] == [] and found["backups"] == [SECOND] and found["files_checked"] == 5
    assert desk.cli("backup.verify", "--all", "--json").rc(0).json()["files_checked"] == 5
    flip(desk, f"{FIRST}-full")
    for words in ([], [SECOND], [FIRST], ["--all"]):
        damaged = desk.cli("backup.verify", *words, "--json").rc(3).json()["damaged"]
        assert isinstance(damaged, list) and damaged and set(damaged[0]) == {"path", "why"}
    desk.cli("backup.verify", FIRST).rc(3).says("NG", "-> a new one: autosys backup;")
    desk.cli("backup.verify", "--all", FIRST).rc(2)


@pytest.mark.portable
def test_a_manifest_that_is_damaged_is_red_and_never_passed_over(desk: rig.Workspace) -> None:
    path = desk.root / "backups" / f"{SECOND}-differential.manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    for words in ([], [SECOND], ["--all"]):
        damaged = desk.cli("backup.verify", *words, "--json").rc(3).json()["damaged"]
        assert isinstance(damaged, list) and damaged[0]["path"].startswith(SECOND), damaged
    desk.cli("backup.verify", FIRST).rc(0)


@pytest.mark.only("linux")
def test_every_command_counts_the_same_files_and_links_of_two_names_come_back(workspace: rig.Workspace) -> None:
    workspace.write(DATA_ALONE)
    data = workspace.root / "data"
    for name, text in (("a", b"a"), ("same", b"a"), ("empty", b"")):
        write(data / name, text)
    os.link(data / "a", data / "a too")
    os.symlink("a", data / "link")
    os.link(data / "link", data / "link too", follow_symlinks=False)
    os.mkfifo(data / "pipe")
    workspace.cli("backup", "--dry-run").rc(0).says("skipped data/pipe: a pipe")
    workspace.cli("backup").rc(0).says("3 files", "skipped data/pipe: a pipe")
    workspace.cli("backup.show", "latest").rc(0).says("data/pipe: a pipe", "= data/a data/a too")
    (data / "pipe").unlink()
    (row,) = workspace.cli("backup.list", "--json").rc(0).json()["backups"]  # type: ignore[misc]
    shown = workspace.cli("backup.show", "latest", "--json").rc(0).json()
    assert row["files"] == shown["backup"]["files"] == 3  # type: ignore[index]
    assert shown["backup"]["skipped"] == [{"path": "data/pipe", "why": "a pipe"}]  # type: ignore[index]
    assert workspace.cli("backup.verify", "--json").rc(0).json()["files_checked"] == 3
    assert workspace.cli("backup.drill", "--json").rc(0).json()["files"] == 3
    workspace.cli("backup.restore", "latest", "--to", "out").rc(0)
    assert things(workspace.root / "out/data") == things(data)
    assert os.readlink(workspace.root / "out/data/link too") == "a"


def test_restore_brings_back_what_is_named(desk: rig.Workspace) -> None:
    found = desk.cli("backup.restore", FIRST, "data/a.txt", "**/*.env", "--to", "out", "--json").rc(0).json()
    assert (found["schema"], found["task"]) == ("autosys.run/1", "backup.restore")
    assert found["summary"] == {"done": 2, "failed": 0, "skipped": 0}
    assert set(things(desk.root / "out")) == {"data", "data/.env", "data/a.txt"}
    assert (desk.root / "out/data/a.txt").read_bytes() == b"first\n"
    again = desk.cli("backup.restore", "latest", "--to", "out", "--json").rc(0).json()
    assert again["summary"] == {"done": 3, "failed": 0, "skipped": 1}
    assert (desk.root / "out/data/a.txt").read_bytes() == b"first\n"
    desk.cli("backup.restore", "latest", "--to", "out", "--overwrite", "changed").rc(0).says("OK: 1 restored")
    assert (desk.root / "out/data/a.txt").read_bytes() == b"second\n"
    last = desk.journal("backup")[-1]
    assert (last["task"], last["step"], last["ok"], last["counts"]) == (
        "backup.restore", "summary", True, {"done": 1, "failed": 0, "skipped": 0},
    )  # fmt: skip


@pytest.mark.portable
def test_a_restore_that_lacks_something_says_what_to_type_and_that_is_enough(desk: rig.Workspace) -> None:
    write(desk.root / "out put/data/a.txt/mine", b"mine")
    said = desk.cli("backup.restore", FIRST, "data/", "--to", "out put").rc(4)
    (step,) = [line for line in said.out.splitlines() if line.startswith("   -> ")]
    program, *words = shlex.split(step.rpartition(": ")[2])
    assert program == "autosys" and words == ["backup.restore", FIRST, "data/", "--to", "out put"], step
    found = desk.cli(*words, "--json").rc(4).json()["notes"]
    assert isinstance(found, list) and f"   -> {found[-1]}" == step
    shutil.rmtree(desk.root / "out put/data/a.txt")
    desk.cli(*words).rc(0)
    flip(desk, f"{FIRST}-full")
    desk.cli("backup.restore", FIRST, "--to", "again").rc(4).says("whole in an earlier one: autosys backup.list")


@pytest.mark.portable
def test_a_journal_that_cannot_be_written_ends_no_restore_and_no_drill(desk: rig.Workspace) -> None:
    """What is brought back lies elsewhere: the disk of the workspace may be read-only, and that is why."""
    unwritable = {"AUTOSYS_FAULT": "journal.before-append:enospc"}
    said = desk.cli("backup.restore", FIRST, "--to", "out", env=unwritable).rc(0)
    said.says("WARN cannot write", "backup_log.jsonl", "OK: 5 restored")
    found = desk.cli("backup.restore", "latest", "--to", "out", "--json", env=unwritable).rc(0).json()
    assert "is not in the journal" in str(found["notes"])
    desk.cli("backup.drill", env=unwritable).rc(0).says("WARN cannot write", f"OK: {SECOND} restores")
    flip(desk, f"{FIRST}-full")
    full = {"AUTOSYS_FAULT": "files.before-write:enospc"}
    desk.cli("backup.verify", env=full).rc(3).says("WARN cannot write", "damaged.json", "NG: ")


@pytest.mark.portable
def test_a_home_that_no_shell_has_written_out_is_the_home(desk: rig.Workspace, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "me"), "USERPROFILE": str(tmp_path / "me")}
    desk.cli("backup.restore", FIRST, "--to", "~/out", env=home).rc(0)
    assert (tmp_path / "me/out/data/a.txt").read_bytes() == b"first\n" and not (desk.root / "~").exists()


@pytest.mark.portable
def test_a_backup_that_found_no_repository_says_so(workspace: rig.Workspace) -> None:
    workspace.write('[backup.sets.a]\ninclude = ["data/**"]\n').file("data/a.txt", "first")
    identity = workspace.cli("backup", "--json").rc(0).json()["backup"]["id"]  # type: ignore[index]
    for more in ([], ["--dry-run"]):
        said = workspace.cli("backup.restore", "latest", "--git", "--to", "out", *more).rc(2)
        said.says(f"{identity} holds no state of git: no git", f"autosys backup.show {identity}")
    workspace.cli("backup.restore", identity, "zzz", "--to", "out").rc(2).says(f"autosys backup.show {identity}")


@pytest.mark.portable
def test_a_dry_run_shows_the_plan_and_writes_nothing(desk: rig.Workspace) -> None:
    found = desk.cli("backup.restore", FIRST, "--to", "out", "--dry-run", "--json").rc(0).json()
    steps = found["steps"]
    assert isinstance(steps, list) and {step["kind"] for step in steps} == {"make", "write"} and len(steps) == 5
    assert not (desk.root / "out").exists() and not desk.outputs.exists()
    desk.cli("backup.restore", FIRST, "--to", "out", "--dry-run", "--exit-code").rc(9).says("would write data/a.txt")
    desk.cli("backup.restore", FIRST, "--to", "out").rc(0)
    desk.cli("backup.restore", FIRST, "--to", "out", "--dry-run", "--exit-code").rc(0).says("data/a.txt: there already")


@pytest.mark.portable
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "out"], "id of a backup"), ([FIRST], "--to"), ([FIRST, "data/b.txt", "--to", "out"], "data/a.txt"),
        (["2026-11-28T033001Z", "--to", "out"], FIRST), ([FIRST, "--to", "out", "--overwrite", "newer"], "never"),
        ([FIRST, "--to", "autosys.toml"], "no folder"), ([FIRST, "data", "--git", "--to", "out"], "no paths"),
        ([FIRST, "--git", "--to", "out"], "no state of git"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_usage(desk: rig.Workspace, words: list[str], says: str) -> None:
    desk.cli("backup.restore", *words).rc(2).says(says)
    assert not (desk.root / "out").exists()


@pytest.mark.portable
def test_a_damaged_archive_ends_4_and_names_what_is_lacking(desk: rig.Workspace) -> None:
    (desk.root / "backups" / f"{FIRST}-full.7z").write_bytes(b"nothing")
    found = desk.cli("backup.restore", SECOND, "--to", "out", "--json").rc(4).json()
    outcomes = found["outcomes"]
    assert isinstance(outcomes, list)
    bad = [row["target"] for row in outcomes if row["ok"] is False]
    assert bad == ["data/문서/보고서 \U0001f600.txt"] and (desk.root / "out/data/new.txt").exists()
    assert found["summary"] == {"done": len(outcomes) - 1, "failed": 1, "skipped": 0}
    assert desk.journal("backup")[-1]["ok"] is False
    desk.cli("backup.restore", SECOND, "--to", "out2").rc(4).says("NG data/문서/보고서", "NG: 1 could not be restored")


@pytest.mark.portable
def test_diff_of_two_backups_and_of_one_with_the_disk(desk: rig.Workspace) -> None:
    found = desk.cli("backup.diff", FIRST, SECOND, "--json").rc(0).json()
    changed = [{"path": "data/a.txt", "what": "content: 6 bytes, now 7"}]
    assert (found["added"], found["removed"], found["changed"]) == (["data/new.txt"], ["data/.env"], changed)
    assert (found["from"], found["to"]) == (FIRST, SECOND)
    now = desk.cli("backup.diff", FIRST, "--json").rc(0).json()
    assert (now["added"], now["removed"], now["changed"], now["to"]) == ([], [], [], None)
    write(desk.root / "data/a.txt", b"third\n")
    write(desk.root / "data/more.txt", b"x")
    said = desk.cli("backup.diff", FIRST).rc(0)
    said.says("+ data/more.txt", "~ data/a.txt (content)", "1 added, 0 removed, 1 changed")
    desk.cli("backup.diff", FIRST, SECOND, FIRST).rc(2).says("takes one or two ids of backups, and 3 words are given")
    assert not [path for path in (desk.state / "backup").iterdir() if path.name.startswith("diff-")]


def test_a_drill_is_proven_or_red(desk: rig.Workspace) -> None:
    desk.cli("backup.drill", "--dry-run").rc(0).says(SECOND)
    assert not (desk.state / "backup").exists()
    found = desk.cli("backup.drill", "--json").rc(0).json()
    assert (found["id"], found["files"], found["ok"], found["why"]) == (SECOND, 3, True, None)
    said = json.loads((desk.state / "backup/drill.json").read_text(encoding="utf-8"))
    assert set(said) == {"at", "id", "files", "ok", "why"} and said["ok"] is True
    flip(desk, f"{FIRST}-full")
    desk.cli("backup.drill").rc(3).says("NG: ", "damaged")
    assert json.loads((desk.state / "backup/drill.json").read_text(encoding="utf-8"))["ok"] is False
    assert [line["ok"] for line in desk.journal("backup") if line["step"] == "summary"] == [True, False]
    assert sorted(path.name for path in (desk.state / "backup").iterdir()) == ["damaged.json", "drill.json"]


@pytest.mark.only("posix")
def test_the_repository_is_rebuilt(desk: rig.Workspace, tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "repo")
    repo.commit("one", **{"a.txt": "1\n", "b.txt": "2\n"})
    repo.git("branch", "side")
    repo.write("a.txt", "stashed\n")
    repo.git("stash")
    repo.write("a.txt", "staged\n")
    repo.git("add", "a.txt")
    repo.write("b.txt", "changed\n")
    repo.write("새 파일.txt", "untracked\n")
    kept = tmp_path / "with git"
    (kept / ".autosys").mkdir(parents=True)
    assert not capture(repo.root, kept / ".autosys/git", untracked_max=10**6).partial
    keep(desk.root / "backups", kept, at="2026-11-30T033000Z", git="main at 123")
    desk.cli("backup.restore", "latest", "--git", "--to", "made", "--dry-run").rc(0).says("would rebuild")
    assert not (desk.root / "made").exists()
    found = desk.cli("backup.restore", "latest", "--git", "--to", "made", "--json").rc(0).json()
    assert found["summary"] == {"done": 1, "failed": 0, "skipped": 0}
    assert Repo(desk.root / "made").state() == repo.state()
    desk.cli("backup.restore", "latest", "--git", "--to", "made").rc(2).says("is there already")
    unwritable = {"AUTOSYS_FAULT": "journal.before-append:enospc"}
    said = desk.cli("backup.restore", "latest", "--git", "--to", "again", env=unwritable).rc(0)
    said.says("WARN cannot write", "OK: ")
    assert [path.name for path in (desk.state / "backup").iterdir()] == []


@pytest.mark.only("posix")
@pytest.mark.capability("7zz")
def test_what_is_restored_is_what_7_zip_restores(desk: rig.Workspace, tmp_path: Path) -> None:
    """As docs/restore.md says for a machine without autosys: the full first, the differential over it."""
    desk.cli("backup.restore", FIRST, "--to", str(tmp_path / "ours")).rc(0)
    argv = ["7zz", "x", f"-o{tmp_path / 'theirs'}", str(desk.root / "backups" / f"{FIRST}-full.7z")]
    subprocess.run(argv, check=True, capture_output=True)
    shutil.rmtree(tmp_path / "theirs/.autosys")
    assert things(tmp_path / "ours") == things(tmp_path / "theirs")


@pytest.mark.portable
def test_after_a_drill_that_failed_health_drills_again_and_looks_again(workspace: rig.Workspace) -> None:
    key = {"AUTOSYS_BACKUP_PASSPHRASE": "a long word"}
    workspace.write(DATA_ALONE).file("data/a.txt", "first")
    workspace.cli("backup", env=key).rc(0)
    workspace.cli("backup.drill").rc(3)
    (red,) = workspace.cli("health", "--only", "backup", "--json", env=key).rc(3).json()["checks"]  # type: ignore[misc]
    assert red["fix"] == {"kind": "run", "command": ["autosys", "backup.drill"]}, red
    (mended,) = workspace.cli("health", "--fix", "--only", "backup", "--json", env=key).rc(0).json()["checks"]  # type: ignore[misc]
    assert (mended["verdict"], mended["fixed"]) == ("OK", "verified"), mended
    assert len(list((workspace.root / "backups").glob("*.7z"))) == 1, "the one that is there was proven"


@pytest.mark.portable
def test_after_a_drill_that_met_damage_health_makes_a_backup_and_proves_it(workspace: rig.Workspace) -> None:
    workspace.write(DATA_ALONE).file("data/a.txt", "first")
    identity = workspace.cli("backup", "--json").rc(0).json()["backup"]["id"]  # type: ignore[index]
    flip(workspace, f"{identity}-full")
    workspace.cli("backup.drill").rc(3)
    (mended,) = workspace.cli("health", "--fix", "--only", "backup", "--json").rc(0).json()["checks"]  # type: ignore[misc]
    assert (mended["verdict"], mended["fixed"]) == ("OK", "verified"), mended
    assert len(list((workspace.root / "backups").glob("*.7z"))) == 2


@pytest.mark.portable
def test_a_damaged_archive_is_named_by_list_and_diff(desk: rig.Workspace) -> None:
    """At a glance where its size is another, and by memory where only reading it told."""
    full = desk.root / "backups" / f"{FIRST}-full.7z"
    whole = full.read_bytes()
    full.write_bytes(whole[:-1])
    rows = desk.cli("backup.list", "--json").rc(0).json()["backups"]
    assert isinstance(rows, list) and [(row["verified"], bool(row["damaged"])) for row in rows] == [(False, True)] * 2
    assert f"its base {FIRST} is damaged" in rows[1]["damaged"], "so it is no point that one can go back to"
    desk.cli("backup.list").rc(0).says(f"NG {FIRST} full", "damaged: ", f"had {len(whole)} when it was verified")
    desk.cli("backup.diff", SECOND).rc(3).says(f"{FIRST}-full.7z has {len(whole) - 1} bytes")
    full.write_bytes(whole)
    flip(desk, f"{FIRST}-full")
    desk.cli("backup.diff", "latest").rc(0)
    found = desk.cli("backup.verify", "--json").rc(3).json()["damaged"]
    assert len(found) == len({str(each) for each in found}), "each damage once"  # type: ignore[arg-type]
    desk.cli("backup.diff", "latest").rc(3).says("damaged")
    (desk.root / f"backups/{FIRST}-full.manifest.json").unlink()
    desk.cli("backup.list").rc(0).says(f"NG {SECOND}", f"its base `{FIRST}` is not there")
    desk.cli("backup.restore", SECOND, "--to", "out").rc(3).says("is not there", "-> an earlier backup may be whole:")


@pytest.mark.only("linux")
def test_in_a_locale_without_hangul_it_keeps_and_finds_the_same_names(workspace: rig.Workspace) -> None:
    workspace.write('[backup.git]\nenabled = false\n[backup.sets.data]\ninclude = ["문서/**"]\n')
    write(workspace.root / "문서/새 글.txt", b"x")
    (workspace.root / "문서" / os.fsdecode(b"cp949-\xb1\xdb")).write_bytes(b"y")
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    workspace.cli("backup", env=bare).rc(0).says("2 files")
    workspace.cli("backup", "--note", "메모").rc(0)
    there = workspace.cli("backup.show", "latest", "--json").rc(0).json()["entries"]
    shown = workspace.cli("backup.show", "latest", "--json", env=bare).rc(0)
    assert shown.out.isascii() and shown.json()["entries"] == there, "nor does the console get what it cannot show"
    workspace.cli("backup.diff", "latest", env=bare).rc(0).says("no difference")
    workspace.cli("backup.restore", "latest", "문서/*", "--to", "밖", env=bare).rc(0)
    assert things(workspace.root / "밖/문서") == things(workspace.root / "문서")
    shutil.rmtree(workspace.root / "backups")
    workspace.cli("health", "--fix", "--only", "backup", env=bare).rc(0)
    assert workspace.cli("backup.show", "latest", "--json").rc(0).json()["entries"] == there
