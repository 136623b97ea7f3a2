"""Verifies a backup: every byte of its archive against the manifest. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest import base_of, read_entries
from autosys_tasks.backup.progress import TellBytes
from autosys_tasks.backup.seven_zip.header import link_bytes
from autosys_tasks.backup.seven_zip.read import Archive, Member
from autosys_tasks.backup.threads import serialized
from autosys_tasks.backup.values import DIFFERENTIAL, FILE, HARDLINK, LINK, MANIFEST, OWN, TAILS, Backup, Damage, Entry
from autosys_tasks.core.garbage import gc_disabled


def _silent(count: int) -> None:
    """Nobody wants to know."""


def verify(
    folder: Path, backup: Backup, passphrase: str = "", tell_bytes: TellBytes = _silent
) -> tuple[int, list[Damage]]:
    """Compare an archive with its manifest: how many files were compared, and what is damaged.

    Of a differential's base only presence and size are checked: verify it on its own. Raises NeedsPassphrase.
    """
    archive = folder / backup.archive
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(_sha256, archive)
        try:
            entries = read_entries(folder / backup.manifest, passphrase)
            checked, damaged = check(archive, entries, passphrase, tell_bytes)
        except Damaged as error:
            checked, damaged = 0, [Damage(backup.manifest, error.message.removeprefix(f"`{backup.manifest}`: "))]
        damaged += _as_recorded(archive, backup, hashed.result())
    if backup.kind == DIFFERENTIAL:
        damaged += _of_base(folder, backup)
    return checked, damaged


def check(
    archive: Path, entries: Iterable[Entry], passphrase: str = "", tell_bytes: TellBytes = _silent, *,
    independent: bool = False,
) -> tuple[int, list[Damage]]:  # fmt: skip
    """Compare an archive with entries: how many files were compared, and what is damaged.

    `independent`: see Archive. Raises NeedsPassphrase, and what `entries` raises.
    """
    try:
        opened = Archive(archive, passphrase, independent=independent)
    except Damaged as error:
        return 0, [Damage(archive.name, error.message)]
    with opened, gc_disabled():  # first: reading its header takes more memory than holding it
        return _checked(archive.name, opened, entries, tell_bytes)


def _checked(name: str, archive: Archive, entries: Iterable[Entry], tell_bytes: TellBytes) -> tuple[int, list[Damage]]:
    wanted, aliases = _wanted(entries)
    files = sum(one.kind == FILE for one in wanted.values()) + sum(map(len, aliases.values()))
    damaged: list[Damage] = []
    described, tell_bytes = False, serialized(tell_bytes)

    def sink(member: Member, pieces: Iterator[bytes]) -> None:
        nonlocal described
        described = described or member.name == MANIFEST
        if why := _compared(member, pieces, wanted.pop(member.name, None), tell_bytes):
            damaged.append(Damage(_path(member.name), why))

    try:
        archive.read(None, sink)
    except Damaged as error:
        return 0, [Damage(name, error.message)]
    damaged.sort()  # several threads found it
    damaged += [Damage(_path(lacking), "is in the manifest and not in the archive") for lacking in wanted]
    if not described:
        damaged.append(Damage(name, "holds no manifest of its own"))
    bad = {path: why for path, why in damaged if path in aliases}
    damaged += [Damage(alias, why) for path, why in bad.items() for alias in aliases[path]]
    return files, damaged


def _path(member: str) -> str:
    """The path of the file whose bytes, or tail, a member holds."""
    return member.removeprefix(f"{TAILS}/")


class _Wanted(NamedTuple):
    """What a member has to be: size and SHA-256 of the file, of its tail, or of a link's text."""

    kind: str
    size: int
    sha256: bytes


def _wanted(entries: Iterable[Entry]) -> tuple[dict[str, _Wanted], dict[str, list[str]]]:
    """What each member has to be, by name; and, by name, the other paths that share its bytes."""
    wanted: dict[str, _Wanted] = {}
    aliases: dict[str, list[str]] = {}
    for entry in entries:
        if entry.kind == HARDLINK:
            continue
        one = _of_file(entry) if entry.kind == FILE else _of_text(entry)
        if wanted.setdefault(entry.member or entry.path, one) != one:
            raise Damaged(f"`{entry.member or entry.path}` is two things at once in it")
        if entry.member and _path(entry.member) != entry.path:
            aliases.setdefault(entry.member, []).append(entry.path)
    return wanted, aliases


def _of_file(entry: Entry) -> _Wanted:
    size, said = entry.stored
    try:
        return _Wanted(FILE, size, bytes.fromhex(said))
    except ValueError:
        raise Damaged(f"`{entry.path}` has no SHA-256 in it, but `{said}`") from None


def _of_text(entry: Entry) -> _Wanted:
    text = link_bytes(entry.link) if entry.kind == LINK else b""
    return _Wanted(entry.kind, len(text), hashlib.sha256(text).digest())


def _compared(member: Member, pieces: Iterator[bytes], wanted: _Wanted | None, tell_bytes: TellBytes) -> str:
    digest = hashlib.sha256()
    try:
        for piece in pieces:
            digest.update(piece)
            tell_bytes(len(piece) if wanted else 0)  # `.autosys/` members are not in the total
    except Damaged as error:
        return error.message
    if wanted is None:
        ours = member.name.startswith(f"{OWN}/") or member.name == OWN
        return "" if ours else "is in the archive and not in the manifest"
    if member.kind != wanted.kind:
        return f"is a {member.kind} in the archive and a {wanted.kind} in the manifest"
    if (member.size, digest.digest()) != (wanted.size, wanted.sha256):
        return "has other bytes than the manifest says: the SHA-256 differs"
    return ""


def _of_base(folder: Path, backup: Backup) -> list[Damage]:
    try:
        base = base_of(folder, backup)
    except Damaged as error:
        return [Damage(backup.stem, error.message)]
    archive = folder / base.archive
    size = archive.stat().st_size if archive.exists() else -1
    return [] if size == base.archive_bytes else [Damage(archive.name, _sizes(size, base))]


def _as_recorded(archive: Path, backup: Backup, hashed: tuple[int, str]) -> list[Damage]:
    if hashed == (backup.archive_bytes, backup.archive_sha256):
        return []
    if hashed[0] != backup.archive_bytes:
        return [Damage(archive.name, _sizes(hashed[0], backup))]
    return [Damage(archive.name, "is not the archive of its manifest: the SHA-256 differs")]


def _sizes(size: int, backup: Backup) -> str:
    return f"has {size} bytes, its manifest says {backup.archive_bytes}" if size >= 0 else "is gone, or cannot be read"


def _sha256(path: Path) -> tuple[int, str]:
    """Size and hash of a file; (-1, "") when it cannot be read."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest
    except OSError:
        return -1, ""
