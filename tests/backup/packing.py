"""What tests pack: a tree with everything that names, times, modes and sizes can be, and how 7-Zip and py7zr see it."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip.read import Archive, Member
from autosys_tasks.backup.seven_zip.write import Writer

CODECS = ("lzma2", "deflate", "copy")
WHEN = 1_700_000_000_123_456_700  # a time to 100 ns, as 7z keeps it


class Item(NamedTuple):
    """One thing to pack."""

    name: str
    kind: str
    data: bytes = b""
    mode: int = 0o644
    mtime_ns: int = WHEN


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no codec makes smaller."""
    return random.Random(seed).randbytes(size)


def text(size: int, seed: int = 1) -> bytes:
    """Bytes that look like a log."""
    rng = random.Random(seed)
    line = "".join(f"03:30:{n % 60:02d}Z worker {rng.randrange(99)} took {rng.random():.4f} s\n" for n in range(400))
    return (line * (size // len(line) + 1)).encode()[:size]


def tree(codec: str = "lzma2") -> list[Item]:
    """Files of many sizes, folders, links: small enough to pack hundreds of times."""
    make = noise if codec == "copy" else text
    names = ("a.txt", "logs/b.jsonl", "문서/보고서.txt", "x/y/z/deep.bin", "📦 box/🙂.md")
    end = ".zip" if codec == "copy" else ""
    files = [Item(name + end, "file", make(900 * (n + 1), n), 0o600 + n * 9) for n, name in enumerate(names)]
    folders = [Item("empty folder", "folder", mode=0o750), Item("문서", "folder", mode=0o755)]
    return [*folders, *files, Item("nothing.txt", "file"), Item("link", "link", f"a.txt{end}".encode(), 0o777)]


def pack(path: Path, items: list[Item], *, codec: str = "lzma2", passphrase: str = "") -> tuple[int, str]:
    """An archive of `items`. `copy`: the names end as those of compressed files, and they do not shrink."""
    with Writer(path, passphrase=passphrase, bulk=codec == "deflate", threads=2) as writer:
        for item in items:
            if item.kind == "folder":
                writer.add_folder(item.name, item.mtime_ns, item.mode)
            elif item.kind == "link":
                writer.add_link(item.name, item.data.decode(), item.mtime_ns, item.mode)
            else:
                size, digest = writer.add_file(item.name, io.BytesIO(item.data), item.mtime_ns, item.mode)
                assert (size, digest) == (len(item.data), hashlib.sha256(item.data).hexdigest())
        return writer.finish()


def unpacked(path: Path, passphrase: str = "") -> list[Item]:
    """What our reader finds in an archive, in order of name; raises what the reader raises."""
    found: list[Item] = []

    def sink(member: Member, pieces: Iterator[bytes]) -> None:
        found.append(Item(member.name, member.kind, b"".join(pieces), member.mode, member.mtime_ns))

    with Archive(path, passphrase) as archive:
        archive.read(None, sink)
    return sorted(found)


def damage_of(path: Path, items: list[Item], passphrase: str = "") -> str:
    """Why an archive is damaged, "" when every byte is as it was packed; any other exception passes."""
    try:
        found = unpacked(path, passphrase)
    except Damaged as error:
        return error.message
    return "" if found == sorted(items) else "other bytes than were packed, and no word of it"


def on_disk(folder: Path) -> list[Item]:
    """What another program extracted, in order of name."""
    found = []
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
        data = os.readlink(path).encode() if kind == "link" else path.read_bytes() if kind == "file" else b""
        name = path.relative_to(folder).as_posix()
        found.append(Item(name, kind, data, stat.S_IMODE(facts.st_mode), facts.st_mtime_ns))
    return sorted(found)


def seven_zip(path: Path, into: Path, passphrase: str = "") -> list[Item]:
    """What 7-Zip's own program extracts; it must find nothing to complain about."""
    program = shutil.which("7zz") or "7zz"
    for words in (["t", path], ["x", "-y", f"-o{into}", path]):
        argv = [program, words[0], f"-p{passphrase}", *words[1:]]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, umask=0)
        assert done.returncode == 0 and "WARN" not in done.stdout, done.stdout + done.stderr
    return on_disk(into)


def by_py7zr(path: Path, into: Path, passphrase: str = "") -> list[Item]:
    """What py7zr extracts, after its own test of every CRC."""
    import py7zr

    with py7zr.SevenZipFile(path, password=passphrase or None) as archive:
        assert archive.testzip() is None
    with py7zr.SevenZipFile(path, password=passphrase or None) as archive:
        archive.extractall(into)
    return on_disk(into)
