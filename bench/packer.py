"""What `bench/backup.py` runs in a process of its own: our archives and py7zr's, made, verified, restored.

python bench/packer.py create|verify|restore|one TOOL ARCHIVE FOLDER [FILE]
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

LAST = "last"  # in place of a folder's content: only the last file


def main() -> int:
    """Do what the command line says."""
    doing, tool, archive, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    {"py7zr": _py7zr}.get(tool, _ours)(doing, tool, archive, folder)
    return 0


def _ours(doing: str, tool: str, archive: Path, folder: Path) -> None:
    from autosys_tasks.backup.values import FULL, Backup

    head = Backup(archive.name.partition(".")[0].removesuffix("-full"), FULL, 0.0)
    {"create": _create, "verify": _verify, "restore": _restore, "one": _restore}[doing](tool, archive, folder, head)


def _create(tool: str, archive: Path, folder: Path, head: object) -> None:
    """An archive with its manifest within and beside it, as `inv backup` packs it."""
    from autosys_tasks.backup import act, manifest, pack
    from autosys_tasks.backup.spool import Spool
    from autosys_tasks.backup.values import FILE, Backup, Found
    from autosys_tasks.core.garbage import gc_frozen

    assert isinstance(head, Backup)
    pack.BULK = 0 if tool == "autosys deflate" else sys.maxsize
    with gc_frozen():
        found = [
            Found(
                path[len(str(folder)) + 1 :], path, FILE, facts.st_size, facts.st_mtime_ns, facts.st_mode & 0o7777,
                (facts.st_ino, facts.st_ctime_ns),
            )
            for path, facts in _walk(str(folder))
        ]  # fmt: skip
        load = pack.Content(head, tuple((each, None) for each in sorted(found, key=itemgetter(0))))
    with Spool(archive.with_suffix(".entries")) as spool:
        made = pack.pack(load, archive, spool, "", lambda line: None).backup
        beside = archive.parent / f"{head.stem}.manifest.json"
        manifest.write(beside, made, spool, (), made)
    act.flush(archive, beside)
    spool.path.unlink()
    assert not made.failed, made.failed[:3]


def _verify(tool: str, archive: Path, folder: Path, head: object) -> None:
    from autosys_tasks.backup import manifest
    from autosys_tasks.backup.verify import verify

    backup = manifest.read_backup(archive.with_name(archive.name.replace(".7z", ".manifest.json")))
    _, damaged = verify(archive.parent, backup)
    assert not damaged, damaged


def _restore(tool: str, archive: Path, folder: Path, head: object) -> None:
    """Every file, or the last one, as `inv backup.restore` does it."""
    from autosys_tasks.backup import manifest
    from autosys_tasks.backup.restore.run import Order, restore

    beside = archive.with_name(archive.name.replace(".7z", ".manifest.json"))
    backup = manifest.read_backup(beside)
    paths = (max(entry.path for entry in manifest.read_entries(beside)),) if folder.name == LAST else ()
    report = restore(Order(archive.parent, backup, paths, folder))
    assert not report.failed, report.failed[:3]


def _py7zr(doing: str, tool: str, archive: Path, folder: Path) -> None:
    import py7zr

    began = time.monotonic(), time.process_time()
    if doing == "create":
        with py7zr.SevenZipFile(archive, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 1}]) as writer:
            writer.writeall(folder, arcname=".")
        return
    with py7zr.SevenZipFile(archive) as reader:
        if doing == "verify":
            assert reader.testzip() is None
        elif doing == "one":
            reader.extract(folder, [sys.argv[5]])
            print(json.dumps([time.monotonic() - began[0], time.process_time() - began[1]]))
        else:
            reader.extractall(folder)


def _walk(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as found:
        for one in found:
            if one.is_dir(follow_symlinks=False):
                yield from _walk(one.path)
            else:
                yield one.path, one.stat(follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main())
