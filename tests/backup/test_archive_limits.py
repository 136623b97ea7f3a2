"""What archive and manifest may cost and must bear: memory, a kill, and every name that a disk can have."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import pytest
import rig
from packing import WHEN, Item, by_py7zr, pack, seven_zip, unpacked

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip.read import Archive
from autosys_tasks.backup.seven_zip.write import Writer

MB = 1 << 20
STREAMED = """
    import sys
    from pathlib import Path
    from autosys_tasks.backup.seven_zip.read import Archive
    from autosys_tasks.backup.seven_zip.write import Writer

    class Zeros:
        left = int(sys.argv[2])
        def read(self, size):
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    path, size, passphrase = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[4]
    with Writer(path, bulk=sys.argv[3] == "deflate", threads=2, passphrase=passphrase) as writer:
        assert writer.add_file("zeros.log", Zeros(), 0, 0o644)[0] == size
        writer.finish()
    seen = []
    with Archive(path, passphrase) as archive:
        archive.read(None, lambda member, pieces: seen.append(sum(map(len, pieces))))
    assert seen == [size], seen
"""
ENTRIES = """
    import sys
    from pathlib import Path
    from autosys_tasks.backup import manifest
    from autosys_tasks.backup.values import DIFFERENTIAL, FULL, Backup, Entry

    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    full = Backup("2026-11-29T033000Z", FULL, 1.0, archive_sha256="ab" * 32)
    later = Backup("2026-11-30T033000Z", DIFFERENTIAL, 2.0, full.id, full.archive_sha256, archive_sha256="cd" * 32)

    def entries(step):
        for number in range(0, count, step):
            path = f"a folder of some/length/{number // 100:05d}/file {number:07d}.jsonl"
            yield Entry(path, "file", step, number, 0o644, f"{number:064x}", stamp=(number, number))

    manifest.write(folder / full.manifest, full, entries(1), (), full)
    manifest.write(folder / later.manifest, later, entries(10), (), later)
    whole = sum(entry.size for entry, backup in manifest.state(folder, later))
    assert whole == count // 10 * 19, whole
"""
KEPT = """
    import io, sys
    from pathlib import Path
    from autosys_tasks.backup import manifest
    from autosys_tasks.backup.restore import run as restore
    from autosys_tasks.backup.seven_zip.write import Writer
    from autosys_tasks.backup.values import FULL, MANIFEST, Backup, Entry
    from autosys_tasks.backup.verify import verify

    doing, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    head = Backup("2026-11-29T033000Z", FULL, 1.0, files=count)
    beside = folder / head.manifest
    if doing == "make":
        entries = []
        with Writer(folder / f"{head.stem}.7z", bulk=True) as writer:
            for number in range(count):
                path = f"a folder of some/length/{number // 100:05d}/file {number:07d}.jsonl"
                size, digest = writer.add_file(path, io.BytesIO(b"%d" % number), number, 0o644)
                entries.append(Entry(path, "file", size, number, 0o644, digest, stamp=(number, number)))
            writer.add_file(MANIFEST, io.BytesIO(b"{}"), 0, 0o600)
            size, digest = writer.finish()
        manifest.write(beside, head, entries, (), head._replace(archive_bytes=size, archive_sha256=digest))
    elif doing == "verify":
        assert verify(folder, manifest.read_backup(beside)) == (count, [])
    else:
        order = restore.Order(folder, manifest.read_backup(beside), (), folder / "to")
        assert len(restore.planned(order).items) == count
"""
KILLED = """
    import io, os, sys
    from pathlib import Path
    from autosys_tasks.backup.seven_zip.write import Writer

    with Writer(Path(sys.argv[1]), bulk=True, threads=2) as writer:
        for number in range(20):
            writer.add_file(f"{number}.bin", io.BytesIO(os.urandom(3 << 20)), 0, 0o644)
        writer.finish()
    print("finished")
"""
# Not `ru_maxrss`: that begins with what the process had which started this one.
PEAK = """
    from pathlib import Path
    print(int(Path("/proc/self/status").read_text("utf-8").split("VmHWM:")[1].split()[0]) // 1024)
"""


def run(code: str, *args: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    environment = {**os.environ, **(env or {})}
    return subprocess.run(argv, cwd=rig.REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def peak_mb(code: str, *args: object) -> int:
    """The most memory that a child had which ran `code`, in MB; it must end well."""
    done = run(textwrap.dedent(code) + textwrap.dedent(PEAK), *args)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.only("linux")
@pytest.mark.parametrize("codec,passphrase", [("lzma2", ""), ("deflate", "pass")])
def test_a_large_file_streams_through_in_little_memory(tmp_path: Path, codec: str, passphrase: str) -> None:
    assert peak_mb(STREAMED, tmp_path / "a.7z", 300 * MB, codec, passphrase) < 200


@pytest.mark.live
@pytest.mark.only("linux")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("codec,passphrase", [("lzma2", ""), ("deflate", ""), ("deflate", "pass")])
def test_a_file_of_two_gigabytes_streams_through_in_little_memory(tmp_path: Path, codec: str, passphrase: str) -> None:
    assert peak_mb(STREAMED, tmp_path / "a.7z", 2000 * MB, codec, passphrase) < 200


@pytest.mark.only("linux")
def test_many_manifest_entries_take_little_memory(tmp_path: Path) -> None:
    """The state of a differential, merged from both, and no more than for few."""
    assert peak_mb(ENTRIES, tmp_path, 60_000) < peak_mb(ENTRIES, tmp_path, 1000) + 5


@pytest.mark.live
@pytest.mark.only("linux")
@pytest.mark.timeout(600)
def test_a_million_manifest_entries_take_little_memory(tmp_path: Path) -> None:
    assert peak_mb(ENTRIES, tmp_path, 1_000_000) < 60


@pytest.mark.only("linux")
@pytest.mark.parametrize("doing,most_kb", [("verify", 0.65), ("restore", 0.95)])
def test_a_file_more_takes_less_than_a_kilobyte_to_verify_and_to_restore(
    tmp_path: Path, doing: str, most_kb: float
) -> None:
    peaks = []
    for count in (1000, 41_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        peak_mb(KEPT, "make", folder, count)
        peaks.append(peak_mb(KEPT, doing, folder, count))
    assert peaks[1] - peaks[0] < 40 * most_kb, peaks


@pytest.mark.only("posix")
def test_a_writer_that_is_killed_leaves_a_part_that_is_no_archive(tmp_path: Path) -> None:
    part = tmp_path / "a.7z.part"
    assert run(KILLED, part).stdout == "finished\n"
    with Archive(part) as archive:
        assert len(list(archive.members())) == 20
    for passes in (1, 2, 4):
        killed = run(KILLED, part, env={"AUTOSYS_FAULT": f"backup.during-write:kill:{passes}"})
        assert killed.returncode == -9 and not killed.stdout
        assert [path.name for path in tmp_path.iterdir()] == ["a.7z.part"]
        with pytest.raises(Damaged, match="never finished"):
            Archive(part)


NAMES = [
    "한글 문서.txt", "🙂 emoji 📦.md", *(unicodedata.normalize(form, "각 é.txt") for form in ("NFC", "NFD")),
    "trailing dot.", "trailing space ", "nul", "con.txt", "aux/com1", 'quotes " and <>|?*:.txt', "-begins-with-dash",
    "new\nline", "tab\there", "a" * 255, "deep/" * 60 + "file", "UPPER", "upper", ".hidden", "#!;$`'", "\U0010ffff",
]  # fmt: skip


def named() -> list[Item]:
    return [Item(name, "file", name.encode("utf-8", "surrogatepass")) for name in NAMES]


def test_every_name_comes_back(tmp_path: Path) -> None:
    """Also those of Linux that are bytes and no text, those of Windows with half a character, and a backslash."""
    path = tmp_path / "a.7z"
    odd = ("bytes \udcff\udc80.bin", "half \ud83d.txt", "its own \uef80.txt", "back\\slash.txt", "한" * 160)
    items = [*named(), *(Item(name, "file", b"odd") for name in odd)]
    pack(path, items)
    assert unpacked(path) == sorted(items)


@pytest.mark.only("posix")
@pytest.mark.capability("7zz")
def test_7zip_and_py7zr_extract_every_name(tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    pack(path, named())
    wanted = sorted((item.name, item.data) for item in named())
    found = [item for item in seven_zip(path, tmp_path / "out") if item.kind == "file"]
    assert sorted((item.name, item.data) for item in found) == wanted
    found = [item for item in by_py7zr(path, tmp_path / "two") if item.kind == "file"]
    assert sorted((item.name, item.data) for item in found) == wanted


@pytest.mark.only("linux")
@pytest.mark.capability("7zz")
def test_7zip_extracts_a_name_of_bytes_as_those_bytes(tmp_path: Path) -> None:
    pack(tmp_path / "a.7z", [Item("bytes \udcff\udc80.bin", "file", b"odd")])
    [found] = seven_zip(tmp_path / "a.7z", tmp_path / "out")
    assert os.fsencode(found.name) == b"bytes \xff\x80.bin"


def test_times_are_kept_to_100_ns_within_what_7z_can_say(tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    times = (0, WHEN, WHEN + 99, -1, -11_644_473_600 * 10**9, -(10**20), 10**20, 4_102_444_800 * 10**9)
    pack(path, [Item(f"{n}", "file", b"x", mtime_ns=time) for n, time in enumerate(times)])
    first, last = -11_644_473_600 * 10**9, ((1 << 63) - 1 - 116_444_736_000_000_000) * 100
    expected = [min(max(time // 100 * 100, first), last) for time in times]
    assert [item.mtime_ns for item in unpacked(path)] == expected


def test_modes_of_all_kinds_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    items = [Item(f"{mode:o}", "file", b"x", mode) for mode in (0, 0o400, 0o644, 0o755, 0o4755, 0o1777, 0o7777)]
    pack(path, [*items, Item("folder", "folder", mode=0o2750), Item("link", "link", b"644", 0o777)])
    assert {item.name: item.mode for item in unpacked(path)} == {
        **{item.name: item.mode for item in items}, "folder": 0o2750, "link": 0o777,
    }  # fmt: skip


def test_what_does_not_shrink_is_stored(tmp_path: Path) -> None:
    """Whatever its name says: a sample of its bytes decides."""
    noise, zeros = os.urandom(2 * MB), bytes(2 * MB)
    cases = (("a.zip", noise, 2 * MB), ("a.bin", noise, 2 * MB), ("a.zip", zeros, 0), ("a.txt", zeros, 0))
    for name, data, size in cases:
        packed, _ = pack(tmp_path / "a.7z", [Item(name, "file", data)])
        assert abs(packed - size) < 3000, name
    pack(tmp_path / "a.7z", [Item("a.bin", "file", noise), Item("b.bin", "file", zeros)])
    assert noise in (tmp_path / "a.7z").read_bytes()


def test_the_hashes_are_those_of_the_bytes_that_were_read(tmp_path: Path) -> None:
    data = os.urandom(5 * MB)
    with Writer(tmp_path / "a.7z") as writer:
        said = writer.add_file("a.bin", io.BytesIO(data), 0, 0o644)
        size, digest = writer.finish()
    assert said == (len(data), hashlib.sha256(data).hexdigest())
    raw = (tmp_path / "a.7z").read_bytes()
    assert (size, digest) == (len(raw), hashlib.sha256(raw).hexdigest())
