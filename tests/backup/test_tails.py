"""Files that only grew: a differential has their tails alone; what is anything but longer is kept whole."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import rig
from growing import LOG, LONG, Nights, all_of
from kept_trees import things, write
from packing import noise

from autosys_tasks.backup import manifest, pack, store, tail
from autosys_tasks.backup.pack import Content
from autosys_tasks.backup.passphrase import VARIABLE
from autosys_tasks.backup.plan import TAIL_FROM
from autosys_tasks.backup.read import SMALL
from autosys_tasks.backup.seven_zip.read import Archive
from autosys_tasks.backup.spool import Spool
from autosys_tasks.backup.values import DIFFERENTIAL, FILE, FULL, TAILS, Backup, Found


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
            packed = pack.pack(Content(head, ((seen, before),)), part, spool, "", print)
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
    with tail.TailPrefetcher([(found, before)]) as ahead:
        assert ahead.take(found) == (
            (new, hashlib.sha256(source.read_bytes()).hexdigest()) if size <= tail.SHORT else None
        )
    late = found._replace(size=found.size - size + 1)  # it was that long when it was looked for
    with tail.TailPrefetcher([(late, before)]) as ahead:
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
    entries = {one.path: one for one in manifest.read_entries(nights.folder / full.manifest)}
    things_now = []
    for path in logs:
        seen = (nights.root / path).stat()
        found = Found(path, str(nights.root / path), FILE, seen.st_size, seen.st_mtime_ns, 0o644)
        things_now.append((found, entries[path]))
    for gone in (logs[0], logs[5]):
        (nights.root / gone).unlink()
    head = Backup("2027-02-20T040000Z", DIFFERENTIAL, 1.0, full.id, full.archive_sha256)
    with Spool(tmp_path / "entries") as spool:
        packed = pack.pack(Content(head, tuple(things_now)), tmp_path / "x.7z", spool, "", print)
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
    ahead = tail.TailPrefetcher([(found, before)] * 9)
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


def test_tails_that_have_grown_to_a_third_of_the_full_one_call_for_a_new_full(nights: Nights, tmp_path: Path) -> None:
    kinds = [nights.backup().kind]
    for number in range(3):
        nights.grow(LOG, noise(600_000, number + 20))
        kinds.append(nights.backup().kind)
    assert kinds == [FULL, DIFFERENTIAL, DIFFERENTIAL, FULL], "the second differential has 1.2 MB, its full 1.5 MB"
    last = nights.backup()
    assert last.kind == DIFFERENTIAL and last.base == store.listed(nights.folder)[0][3].id
    assert nights.restored(last, tmp_path / "to").code == 0 and things(tmp_path / "to") == all_of(nights)
