"""What `bench/backup.py` runs in a process of its own: our archives and py7zr's, made, verified, restored.

python bench/packer.py create|verify|restore|one TOOL ARCHIVE FOLDER
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
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
    """An archive with its manifest within and beside it; every file is hashed."""
    from autosys_tasks.backup import manifest
    from autosys_tasks.backup.seven_zip_write import Writer
    from autosys_tasks.backup.values import MANIFEST, Backup, Entry

    assert isinstance(head, Backup)
    entries = []
    within = archive.with_suffix(".within")
    with Writer(archive, bulk=tool == "autosys deflate") as writer:
        for path, facts in sorted(_walk(str(folder))):
            name = os.path.relpath(path, folder).replace(os.sep, "/")
            with open(path, "rb", buffering=0) as source:
                size, digest = writer.file(name, source, facts.st_mtime_ns, facts.st_mode)  # type: ignore[arg-type]
            entries.append(Entry(name, "file", size, facts.st_mtime_ns, facts.st_mode & 0o7777, digest))
        entries.sort()
        manifest.write(within, head, entries, (), head)
        with open(within, "rb") as source:
            writer.file(MANIFEST, source, 0, 0o600)
        size, digest = writer.finish()
    within.unlink()
    foot = head._replace(archive_bytes=size, archive_sha256=digest, verified=True)
    manifest.write(archive.parent / f"{head.stem}.manifest.json", head, entries, (), foot)


def _verify(tool: str, archive: Path, folder: Path, head: object) -> None:
    from autosys_tasks.backup import manifest
    from autosys_tasks.backup.verify import verify

    backup = manifest.read_backup(archive.with_name(archive.name.replace(".7z", ".manifest.json")))
    _, damaged = verify(archive.parent, backup)
    assert not damaged, damaged


def _restore(tool: str, archive: Path, folder: Path, head: object) -> None:
    """Every file, or the last one, as `inv backup.restore` does it."""
    from autosys_tasks.backup import manifest
    from autosys_tasks.backup.restore import Order, restore

    beside = archive.with_name(archive.name.replace(".7z", ".manifest.json"))
    backup = manifest.read_backup(beside)
    paths = (max(entry.path for entry in manifest.read_entries(beside)),) if folder.name == LAST else ()
    report = restore(Order(archive.parent, backup, paths, folder))
    assert not report.failed, report.failed[:3]


def _py7zr(doing: str, tool: str, archive: Path, folder: Path) -> None:
    import py7zr

    if doing == "create":
        with py7zr.SevenZipFile(archive, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 1}]) as writer:
            writer.writeall(folder, arcname=".")
        return
    with py7zr.SevenZipFile(archive) as reader:
        if doing == "verify":
            assert reader.testzip() is None
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
