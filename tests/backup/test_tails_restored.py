"""Files of which a differential has the tails alone: whatever is restored is whole, or named."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import rig
from growing import LOG, LONG, Nights, all_of, flip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_trees import DATA_ALONE, things
from packing import noise
from restoring import details, order

from autosys_tasks.backup import manifest, pack, store, verify
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest_text import entry_of
from autosys_tasks.backup.passphrase import VARIABLE
from autosys_tasks.backup.restore import run as restore
from autosys_tasks.backup.seven_zip.read import Archive
from autosys_tasks.backup.values import FILE, TAILS, Backup, Entry


@pytest.mark.parametrize("passphrase", ["", "비밀"])
def test_whatever_is_restored_is_joined(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passphrase: str
) -> None:
    if passphrase:
        monkeypatch.setenv(VARIABLE, passphrase)
    first = nights.backup(), all_of(nights)
    nights.grow(LOG, b"more\n" * 300)
    second = nights.backup(), all_of(nights)
    nights.grow(LOG, noise(40_000, 3))
    nights.write("data/a.txt", b"changed\n")
    third = nights.backup(), all_of(nights)
    assert second[0].base == third[0].base == first[0].id, "both upon the full one"
    for number, (backup, was) in enumerate((first, second, third)):
        for paths in ((), ("data",), (LOG,), ("**/*.log",)):
            to = tmp_path / f"{number} {len(paths)}_{''.join(paths).replace('/', '_').replace('*', '_')}"
            assert nights.restored(backup, to, *paths).code == 0
            made = things(to)
            assert made[LOG] == was[LOG] and (made == was or paths not in ((), ("data",)))
    found = nights.drilled(tmp_path / "state")
    assert found.ok and (found.id, found.files) == (third[0].id, 3), found
    again = restore.restore(
        order(nights.folder, first[0], tmp_path / "2 0_", passphrase=passphrase, overwrite="changed")
    )
    assert again.code == 0 and things(tmp_path / "2 0_") == first[1]


@pytest.mark.only("posix")
def test_names_of_one_file_are_one_file_again(nights: Nights, tmp_path: Path) -> None:
    os.link(nights.root / LOG, nights.root / "data/second name.log")
    nights.backup()
    with (nights.root / LOG).open("ab") as log:
        log.write(b"more\n")
    last = nights.backup()
    first = nights.entry(last, "data/second name.log")
    assert first.tail[0] == LONG and nights.entry(last).kind == "hardlink", "the first name in order is the file"
    assert nights.restored(last, tmp_path / "all").code == 0
    assert (tmp_path / "all" / LOG).samefile(tmp_path / "all/data/second name.log")
    assert things(tmp_path / "all") == all_of(nights)
    assert nights.restored(last, tmp_path / "one", LOG).code == 0
    assert (tmp_path / "one" / LOG).read_bytes() == (nights.root / LOG).read_bytes()


DAMAGE: dict[str, tuple[str, str]] = {
    "the beginning": ("full", "in its base"),
    "the tail": ("differential", "CRC differs"),
    "the base is gone": ("", "in its base"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_cannot_be_joined_is_named_and_the_rest_is_there(nights: Nights, tmp_path: Path, what: str) -> None:
    full = nights.backup()
    nights.grow(LOG, noise(50_000, 5))
    nights.write("data/new.txt", b"new\n")
    last = nights.backup()
    of, says = DAMAGE[what]
    if not of:
        (nights.folder / full.archive).unlink()
    else:
        path = nights.folder / (full if of == "full" else last).archive
        needle = noise(LONG)[-5000:-4900] if of == "full" else noise(50_000, 5)[-500:-400]
        flip(path, path.read_bytes().index(needle))  # noise is stored as it is
    report = nights.restored(last, tmp_path / "to")
    bad = {path: why for path, (ok, why) in details(report).items() if ok is False}
    assert report.code == 4 and says in bad[LOG] and bad[LOG].startswith("damaged: "), bad
    assert of == "" or set(bad) == {LOG}
    assert (tmp_path / "to/data/new.txt").read_bytes() == b"new\n"
    assert not (tmp_path / "to" / LOG).exists() and not list((tmp_path / "to").glob(".autosys*"))
    named = {each.kind: {one.path for one in verify.verify(nights.folder, each)[1]} for each in (full, last)}
    assert (LOG in named["full"], LOG in named["differential"]) == (of == "full", of == "differential")
    assert (full.archive in named["full"]) == (of != "differential")
    found = nights.drilled(tmp_path / "state")
    assert not found.ok and found.id == last.id and LOG in "".join(found.why)


def test_another_tail_of_the_same_length_is_found(grown: tuple[Nights, Backup, Backup]) -> None:
    nights, _full, last = grown
    entries = list(manifest.read_entries(nights.folder / last.manifest))
    other = hashlib.sha256(b"another").hexdigest()
    wrong = [one._replace(tail=(one.tail[0], other)) if one.tail[0] else one for one in entries]
    _count, damaged = verify.check(nights.folder / last.archive, wrong)
    assert [one.path for one in damaged] == [LOG] and "SHA-256 differs" in damaged[0].why
    shorter = [one._replace(tail=(one.tail[0] - 1, one.tail[1])) if one.tail[0] else one for one in entries]
    assert [one.path for one in verify.check(nights.folder / last.archive, shorter)[1]] == [LOG]
    lacking = Entry("data/b.log", FILE, 9, 0, 0o644, other, f"{TAILS}/data/b.log", tail=(4, other))
    (gone,) = verify.check(nights.folder / last.archive, [*entries, lacking])[1]
    assert gone == ("data/b.log", "is in the manifest and not in the archive")


def test_who_does_not_know_tails_takes_none_for_a_file(grown: tuple[Nights, Backup, Backup], tmp_path: Path) -> None:
    """An older autosys reads the same lines, without the key that it does not know."""
    nights, _full, last = grown
    path = nights.folder / last.manifest
    entries = [one._replace(tail=(0, "")) for one in manifest.read_entries(path)]
    manifest.write(path, last, entries, [], last)
    assert [one.path for one in verify.verify(nights.folder, last)[1]] == [LOG]
    report = nights.restored(last, tmp_path / "to")
    assert [path for path, (ok, _) in details(report).items() if ok is False] == [LOG]
    assert not (tmp_path / "to" / LOG).exists() and (tmp_path / "to/data/a.txt").exists()


TAIL = ',"member":".autosys/tail/a","tail":[7,"%s"]}\n' % ("ab" * 32)


@pytest.mark.parametrize(
    "wrong",
    [
        TAIL.replace("[7", "[10"),
        TAIL.replace("[7", "[0"),
        TAIL.replace("[7", "[-1"),
        TAIL.replace("tail/a", "tail/b"),
        TAIL.replace('"member":".autosys/tail/a",', ""),
        TAIL.replace("abab", ""),
        TAIL.replace("[7,", "["),
        TAIL.replace("[7,", "[7,7,"),
    ],
)
def test_a_manifest_that_says_what_no_tail_is_is_damaged(wrong: str) -> None:
    line = '{"path":"a","kind":"file","size":9,"sha256":"' + "cd" * 32 + '"'
    assert entry_of(line + TAIL).tail == (7, "ab" * 32)
    with pytest.raises((Damaged, ValueError)):
        entry_of(line + wrong)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(-2, 3), min_size=1), min_size=2, max_size=4))
def test_nights_of_files_that_grow_and_turn_over_restore(
    workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: list[dict[str, int]]
) -> None:
    """Each day a file is cut (-2), rotated (-1), left alone (0) or written to; every night restores as it was."""
    for left in (workspace.root, workspace.state, tmp_path / "to"):
        shutil.rmtree(left, ignore_errors=True)
    workspace.root.mkdir()
    desk = Nights(workspace.write(DATA_ALONE), monkeypatch)
    for number, name in enumerate("abc"):
        desk.write(f"data/{name}.log", noise((1 << 20) + number - 1, number))
    kept = [(desk.backup(), all_of(desk))]
    for number, day in enumerate(days):
        for name, much in day.items():
            path = f"data/{name}.log"
            was = (desk.root / path).read_bytes()
            if much:
                now = {-2: was[:-7], -1: noise(len(was) + 9, number)}.get(much, was + noise(abs(much) * 5000, number))
                desk.write(path, now)
        kept.append((desk.backup(), all_of(desk)))
    for number, (backup, was_then) in enumerate(kept):
        assert desk.restored(backup, tmp_path / "to" / str(number)).code == 0
        assert things(tmp_path / "to" / str(number)) == was_then


@pytest.mark.only("posix")
def test_a_backup_that_is_killed_in_a_tail_leaves_what_was_there(nights: Nights, tmp_path: Path) -> None:
    nights.backup()
    nights.grow(LOG, noise(17 << 20, 4))  # a block of its own
    before = {path.name: path.read_bytes() for path in nights.folder.iterdir()}
    now = {"AUTOSYS_NOW": "2027-02-20T05:00:00Z"}
    ended = nights.space.cli("backup", env={**now, "AUTOSYS_FAULT": "backup.during-write:kill"})
    assert ended.code < 0 or ended.code == 137
    assert {path.name: path.read_bytes() for path in nights.folder.iterdir() if ".part" not in path.name} == before
    nights.space.cli("backup", env=now).rc(0)
    last = store.listed(nights.folder)[0][-1]
    assert nights.entry(last).tail[0] == LONG and not list(nights.folder.glob("*.part"))
    to = str(tmp_path / "to")
    killed = nights.space.cli(
        "backup.restore", last.id, "--to", to, env={"AUTOSYS_FAULT": "restore.during-write:kill:9"}
    )
    assert killed.code < 0 or killed.code == 137
    assert not (tmp_path / "to" / LOG).exists()
    nights.space.cli("backup.restore", last.id, "--to", to).rc(0)
    assert things(tmp_path / "to") == all_of(nights)


@pytest.mark.parametrize("nth", [1, 3, 6])
def test_a_full_disk_in_its_beginning_or_its_tail_names_it(
    grown: tuple[Nights, Backup, Backup], tmp_path: Path, nth: int
) -> None:
    nights, _full, last = grown
    to = str(tmp_path / "to")
    env = {"AUTOSYS_FAULT": f"restore.during-write:enospc:{nth}"}
    nights.space.cli("backup.restore", last.id, LOG, "--to", to, env=env).rc(4).says(f"NG {LOG}: no space is left")
    assert not (tmp_path / "to" / LOG).exists() and not list((tmp_path / "to").glob(".autosys*"))
    nights.space.cli("backup.restore", last.id, LOG, "--to", to).rc(0)
    assert (tmp_path / "to" / LOG).read_bytes() == (nights.root / LOG).read_bytes()


@pytest.mark.capability("7zz")
@pytest.mark.only("posix")
def test_by_hand_it_is_what_the_readme_says(grown: tuple[Nights, Backup, Backup], tmp_path: Path) -> None:
    """The commands are those of the README within the archive, and of the page on restoring."""
    nights, full, last = grown
    with Archive(nights.folder / last.archive) as archive:
        readme = b"".join(archive.stream(pack.README)).decode()
    page = (rig.REPOSITORY / "docs" / "restore.md").read_text(encoding="utf-8")
    (each,) = set(re.findall(r"^ +(cat \.autosys.*)$", readme, re.M)) & set(re.findall(r"^ +(cat .*)$", page, re.M))
    (windows,) = set(re.findall(r"^ +(copy /b .*)$", readme, re.M)) & set(re.findall(r"^ +(copy .*)$", page, re.M))
    (every,) = set(re.findall(r"^ +(\(cd .*)$", readme, re.M)) & set(re.findall(r"^ +(\(cd .*)$", page, re.M))
    assert windows == r"copy /b logs\a.log+.autosys\tail\logs\a.log logs\a.log"
    one_file = each.replace(".autosys/tail/logs/a.log", f"'.autosys/tail/{LOG}'").replace("logs/a.log", f"'{LOG}'")
    for number, way in enumerate((one_file, every)):
        to = tmp_path / str(number)
        for one in (full, last):
            for words in ("t", "-y"), ("x", "-aoa", f"-o{to}"):
                argv = ["7zz", *words, str(nights.folder / one.archive)]
                done = subprocess.run(argv, capture_output=True, text=True, check=False)
                assert done.returncode == 0 and "WARN" not in done.stdout, done.stdout + done.stderr
        assert (to / LOG).stat().st_size == LONG
        subprocess.run(["sh", "-c", way], cwd=to, check=True)
        assert (to / LOG).read_bytes() == (nights.root / LOG).read_bytes()
        shutil.rmtree(to / ".autosys")
        assert {path: one.data for path, one in things(to).items()} == {
            path: one.data for path, one in all_of(nights).items()
        }


def test_it_comes_back_from_a_second_place(nights: Nights, tmp_path: Path) -> None:
    place = (tmp_path / "second").as_uri()
    nights.space.write(DATA_ALONE.replace("[backup.git]", f'[backup]\ncopies = ["{place}"]\n[backup.git]'))
    nights.backup()
    nights.grow(LOG, b"more\n")
    last = nights.backup()
    assert nights.entry(last).tail[0]
    shutil.rmtree(nights.folder)
    to = str(tmp_path / "to")
    nights.space.cli("backup.restore", "latest", LOG, "--from", place, "--to", to).rc(0)
    assert (tmp_path / "to" / LOG).read_bytes() == (nights.root / LOG).read_bytes()
    nights.space.cli("backup.verify", "latest", "--from", place).rc(0)


def test_what_is_told_of_it_is_told_of_the_whole_file(grown: tuple[Nights, Backup, Backup]) -> None:
    nights, full, last = grown
    size = LONG + 14_000
    rows = nights.space.cli("backup.show", last.id, "--json").rc(0).json()["entries"]
    (row,) = [row for row in rows if row["path"] == LOG]  # type: ignore[attr-defined]
    assert row["bytes"] == size and row["sha256"] == hashlib.sha256((nights.root / LOG).read_bytes()).hexdigest()
    nights.space.cli("backup.diff", full.id, last.id).rc(0).says(f"~ {LOG} (content: {LONG} bytes, now {size})")
    nights.space.cli("backup.diff", last.id).rc(0).says("no difference")
    nights.grow(LOG, b"more")
    nights.space.cli("backup", "--dry-run").rc(0).says("14.0 kB")
