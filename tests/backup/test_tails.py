"""Files that only grew: a differential has their tails alone, and whatever is restored is whole, or named."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import rig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_trees import DATA_ALONE, Thing, things, write
from packing import noise
from restoring import details, order

from autosys_tasks.backup import drill, manifest, pack, restore, run, store, tail, verify
from autosys_tasks.backup.damaged import Damaged
from autosys_tasks.backup.drill_memory import Drill
from autosys_tasks.backup.manifest_text import entry_of
from autosys_tasks.backup.owner import owner_of
from autosys_tasks.backup.pack import Load
from autosys_tasks.backup.passphrase import VARIABLE
from autosys_tasks.backup.plan import TAIL_FROM
from autosys_tasks.backup.read import SMALL
from autosys_tasks.backup.seven_zip_read import Archive
from autosys_tasks.backup.spool import Spool
from autosys_tasks.backup.values import DIFFERENTIAL, FILE, FULL, TAILS, Backup, Entry, Found
from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import house_of

LONG = 1_200_000  # bytes: long enough for a tail
LOG = "data/로그/worker 1.log"


class Nights:
    """A workspace and its backups, one a night, made as the command makes them."""

    def __init__(self, space: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.space, self.root, self.folder = space, space.root, space.root / "backups"
        self.patch, self.night = monkeypatch, 0
        monkeypatch.setenv("AUTOSYS_STATE", str(space.state))

    def write(self, path: str, data: bytes, **more: int) -> Path:
        return write(self.root / path, data, mtime=1_700_000_000 + self.night, **more)

    def grow(self, path: str, data: bytes) -> None:
        self.write(path, (self.root / path).read_bytes() + data)

    def backup(self) -> Backup:
        """One more; it is whole, and reads back."""
        self.night += 1
        self.patch.setenv("AUTOSYS_NOW", f"2027-02-20T03:{self.night:02}:00Z")
        report = run.backup(house_of(load(self.root)))
        assert report.code == 0, report
        made = store.listed(self.folder)[0][-1]
        secret = os.environ.get(VARIABLE, "")
        assert verify.verify(self.folder, made, secret)[1] == []
        return made

    def entry(self, backup: Backup, path: str = LOG) -> Entry:
        """What its own manifest says of a path."""
        secret = os.environ.get(VARIABLE, "")
        own = manifest.read_entries(manifest.beside(self.folder, backup), secret)
        return next(entry for entry in own if entry.path == path)

    def drilled(self, state: Path) -> Drill:
        """What a drill says of the newest."""
        secret = os.environ.get(VARIABLE, "")
        return drill.drill(self.folder, state, self.root, owner_of(load(self.root)), passphrase=secret)

    def restored(self, backup: Backup, to: Path, *paths: str) -> restore.Report:
        return restore.restore(order(self.folder, backup, to, *paths, passphrase=os.environ.get(VARIABLE, "")))


@pytest.fixture
def nights(workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> Nights:
    workspace.write(DATA_ALONE)
    made = Nights(workspace, monkeypatch)
    made.write("data/a.txt", b"first\n")
    made.write("data/z/other.bin", noise(300_000, 9))
    made.write(LOG, noise(LONG))
    return made


@pytest.fixture
def grown(nights: Nights) -> tuple[Nights, Backup, Backup]:
    """A full, and a differential for which the log had grown."""
    full = nights.backup()
    nights.grow(LOG, b"one line more\n" * 1000)
    return nights, full, nights.backup()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def all_of(nights: Nights) -> dict[str, Thing]:
    return {path: thing for path, thing in things(nights.root).items() if path.split("/")[0] == "data"}


# What is kept


def test_a_log_that_grew_costs_what_is_new_of_it(grown: tuple[Nights, Backup, Backup]) -> None:
    nights, full, last = grown
    whole, entry = (nights.root / LOG).read_bytes(), nights.entry(last)
    assert (full.kind, last.kind) == (FULL, DIFFERENTIAL) and last.archive_bytes < 20_000 < LONG < full.archive_bytes
    assert (entry.size, entry.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert entry.member == f"{TAILS}/{LOG}" and entry.tail == (LONG, hashlib.sha256(whole[LONG:]).hexdigest())
    assert (last.files, last.bytes) == (3, 6 + 300_000 + len(whole))
    with Archive(nights.folder / last.archive) as archive:
        assert b"".join(archive.stream(entry.member)) == whole[LONG:]
        assert LOG not in [member.name for member in archive.members()]


NOTE, SAID = "data/note.md", noise(9000, 11)  # of a size that is read at once


@pytest.mark.parametrize("passphrase", ["", "비밀"])
def test_so_does_a_small_file_that_grew(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passphrase: str
) -> None:
    monkeypatch.setenv(VARIABLE, passphrase)
    nights.write(NOTE, SAID)
    nights.write("data/short.md", noise(TAIL_FROM, 12))
    nights.backup()
    for path in (NOTE, "data/short.md"):
        nights.grow(path, b"one line more\n")
    last = nights.backup()
    entry, short = nights.entry(last, NOTE), nights.entry(last, "data/short.md")
    assert entry.tail == (len(SAID), hashlib.sha256(b"one line more\n").hexdigest()) and entry.size == len(SAID) + 14
    assert entry.member == f"{TAILS}/{NOTE}" and short.tail == (0, ""), "of less than a block nothing would be saved"
    assert nights.restored(last, tmp_path / "to").code == 0 and things(tmp_path / "to") == all_of(nights)
    assert nights.drilled(tmp_path / "state").ok


@pytest.mark.parametrize("now", [SAID[:-1] + b"another end", b"x" + SAID, SAID[:5000], SAID[1:] + SAID])
def test_a_small_file_that_begins_otherwise_is_kept_whole(nights: Nights, tmp_path: Path, now: bytes) -> None:
    nights.write(NOTE, SAID)
    nights.backup()
    nights.write(NOTE, now)
    last = nights.backup()
    assert nights.entry(last, NOTE).tail == (0, "") and nights.restored(last, tmp_path / "to").code == 0
    assert things(tmp_path / "to") == all_of(nights)


def test_a_key_that_a_small_file_got_is_seen_though_half_of_it_was_there(nights: Nights) -> None:
    key = b"token = ghp_" + b"a1B2c3D4e5F6g7H8i9J0" * 2
    nights.write(NOTE, b"a line of text\n" * 500 + key[:20])
    assert not nights.backup().local_only
    nights.grow(NOTE, key[20:] + b"\n")
    last = nights.backup()
    assert nights.entry(last, NOTE).tail[0] and nights.entry(last, NOTE).flags == ("secret",) and last.local_only
    nights.grow(NOTE, b"more text\n")
    assert nights.entry(nights.backup(), NOTE).flags == ("secret",)


NOT_A_TAIL: dict[str, Callable[[bytes], bytes]] = {
    "it was rotated and got longer": lambda was: noise(len(was) + 1, 7),
    "it was rotated and is shorter": lambda was: b"new\n" * 10,
    "it was cut": lambda was: was[:-1],
    "a byte in its middle is another": lambda was: was[: LONG // 2] + b"!" + was[LONG // 2 + 1 :] + b"more",
    "its first byte is another": lambda was: bytes([was[0] ^ 1]) + was[1:] + b"more",
    "the last byte of before is another": lambda was: was[:-1] + bytes([was[-1] ^ 1]) + b"more",
    "something was put before it": lambda was: b"x" + was,
}


@pytest.mark.parametrize("how", NOT_A_TAIL)
def test_what_is_anything_but_longer_is_kept_whole(nights: Nights, tmp_path: Path, how: str) -> None:
    nights.backup()
    nights.write(LOG, NOT_A_TAIL[how]((nights.root / LOG).read_bytes()))
    last = nights.backup()
    entry = nights.entry(last)
    assert last.kind == DIFFERENTIAL and entry.member == "" and entry.tail == (0, "")
    assert nights.restored(last, tmp_path / "to").code == 0
    assert things(tmp_path / "to") == all_of(nights)


def test_a_file_that_is_found_longer_and_is_again_what_it_was(nights: Nights, tmp_path: Path) -> None:
    """It is looked at before it is read: by then it may have been cut to what the base has of it."""
    full = nights.backup()
    before, source = nights.entry(full), nights.root / LOG
    seen = Found(LOG, str(source), FILE, LONG + 5, 5, 0o644)
    part, head = tmp_path / "x.7z", Backup("2027-02-20T040000Z", DIFFERENTIAL, 1.0, full.id, full.archive_sha256)
    for size, begins in ((LONG, LONG), (LONG - 1, 0), (LONG + 3, LONG), (SMALL, 0)):
        write(source, noise(LONG)[:size] + b"new"[: max(0, size - LONG)])
        with Spool(tmp_path / "entries") as spool:
            packed = pack.pack(Load(head, ((seen, before),)), part, spool, "", print)
            pack.check(packed, part, "", print)
            (entry,) = spool.read()
        assert (entry.size, entry.tail[0]) == (size, begins)


@pytest.mark.parametrize("size", [tail.SHORT, tail.SHORT + 1])
def test_a_long_tail_is_never_held_in_memory(nights: Nights, tmp_path: Path, size: int) -> None:
    """The one is read ahead, the other as it is packed: the archive has the same of both."""
    full = nights.backup()
    source, new = nights.root / LOG, noise(size, 2)
    nights.grow(LOG, new)
    before, seen = nights.entry(full), source.stat()
    found = Found(LOG, str(source), FILE, seen.st_size, seen.st_mtime_ns, 0o644)
    with tail.Ahead([(found, before)]) as ahead:
        assert ahead.take(found) == (
            (new, hashlib.sha256(source.read_bytes()).hexdigest()) if size <= tail.SHORT else None
        )
    late = found._replace(size=found.size - size + 1)  # it was that long when it was looked for
    with tail.Ahead([(late, before)]) as ahead:
        assert bool(ahead.take(late)) == (size <= tail.SHORT)
    last = nights.backup()
    assert nights.entry(last).tail == (LONG, hashlib.sha256(new).hexdigest())
    assert nights.restored(last, tmp_path / "to").code == 0 and things(tmp_path / "to") == all_of(nights)


def test_many_files_grow_and_some_vanish_turn_over_or_are_locked(nights: Nights, tmp_path: Path) -> None:
    """More than are read ahead, and each is judged by itself."""
    logs = [f"data/{number:02d}.log" for number in range(12)]
    for number, path in enumerate(logs):
        nights.write(path, noise((1 << 20) + number + 1, number))
    full = nights.backup()
    for path in logs:
        nights.grow(path, path.encode() * 100)
    nights.write(logs[3], noise(2 << 20, 99))
    entries = {one.path: one for one in manifest.read_entries(manifest.beside(nights.folder, full))}
    things_now = []
    for path in logs:
        seen = (nights.root / path).stat()
        found = Found(path, str(nights.root / path), FILE, seen.st_size, seen.st_mtime_ns, 0o644)
        things_now.append((found, entries[path]))
    for gone in (logs[0], logs[5]):
        (nights.root / gone).unlink()
    head = Backup("2027-02-20T040000Z", DIFFERENTIAL, 1.0, full.id, full.archive_sha256)
    with Spool(tmp_path / "entries") as spool:
        packed = pack.pack(Load(head, tuple(things_now)), tmp_path / "x.7z", spool, "", print)
        pack.check(packed, tmp_path / "x.7z", "", print)
        made = {one.path: one for one in spool.read()}
    assert [one.path for one in packed.backup.failed] == [logs[0], logs[5]]
    assert set(made) == set(logs) - {logs[0], logs[5]}
    assert [path for path in made if not made[path].tail[0]] == [logs[3]]
    whole = {path: hashlib.sha256((nights.root / path).read_bytes()).hexdigest() for path in made}
    assert {path: one.sha256 for path, one in made.items()} == whole


def test_what_is_not_asked_for_any_more_ends_soon(nights: Nights) -> None:
    before = nights.entry(nights.backup())
    nights.grow(LOG, b"more")
    found = Found(LOG, str(nights.root / LOG), FILE, LONG + 4, 5, 0o644)
    ahead = tail.Ahead([(found, before)] * 9)
    with ahead:
        assert ahead.take(found) and ahead.take(found._replace(path="another")) is None
        ahead._stopped = True
        assert ahead._read(found, before) is None


def test_a_log_that_grows_while_it_is_packed_is_whole(nights: Nights, tmp_path: Path) -> None:
    """What is there when it is opened is kept, and goes on where the base ended."""
    nights.backup()
    before = (nights.root / LOG).read_bytes()
    grows = (
        "import sys\nwith open(sys.argv[1], 'ab', buffering=0) as log:\n"
        "    for number in range(10**9):\n        log.write(b'%09d %s\\n' % (number, b'x' * 89))\n"
        "        if not number % 50: print(flush=True); sys.stdin.readline()\n"
    )
    argv = [rig.PYTHON, "-c", grows, str(nights.root / LOG)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        try:
            process.stdout.readline()
            process.stdin.write(b"\n" * 400)  # 2 MB more, while it is read
            process.stdin.flush()
            last = nights.backup()
        finally:
            process.kill()
    entry = nights.entry(last)
    assert entry.tail[0] == LONG < entry.size
    assert nights.restored(last, tmp_path / "to", LOG).code == 0
    made = (tmp_path / "to" / LOG).read_bytes()
    assert made == (nights.root / LOG).read_bytes()[: entry.size] and made.startswith(before)


def test_a_big_secret_stays_one_though_only_its_tail_is_new(nights: Nights) -> None:
    path = "data/.env"
    nights.write(path, b"TOKEN=hunter2\n" * 90_000, mode=0o600)
    nights.backup()
    nights.grow(path, b"more\n")
    last = nights.backup()
    assert nights.entry(last, path).tail[0] and nights.entry(last, path).flags == ("secret",) and last.local_only


# What is restored


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
    entries = list(manifest.read_entries(manifest.beside(nights.folder, last)))
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
    path = manifest.beside(nights.folder, last)
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
    assert entry_of((line + TAIL).encode()).tail == (7, "ab" * 32)
    with pytest.raises((Damaged, ValueError)):
        entry_of((line + wrong).encode())


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


# Killed, by hand, from elsewhere


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


def test_tails_that_have_grown_to_a_third_of_the_full_one_call_for_a_new_full(nights: Nights, tmp_path: Path) -> None:
    kinds = [nights.backup().kind]
    for number in range(3):
        nights.grow(LOG, noise(600_000, number + 20))
        kinds.append(nights.backup().kind)
    assert kinds == [FULL, DIFFERENTIAL, DIFFERENTIAL, FULL], "the second differential has 1.2 MB, its full 1.5 MB"
    last = nights.backup()
    assert last.kind == DIFFERENTIAL and last.base == store.listed(nights.folder)[0][3].id
    assert nights.restored(last, tmp_path / "to").code == 0 and things(tmp_path / "to") == all_of(nights)


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
