"""Keeps of a file that only grew since the base what is new at its end: nothing else of it is in the archive."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, cast

from autosys_tasks.backup.patience import Patience
from autosys_tasks.backup.read import PART, read_steadily
from autosys_tasks.backup.seven_zip_write import Writer
from autosys_tasks.backup.values import SECRET, TAILS, Entry, Found


def stored(writer: Writer, found: Found, before: Entry, entry: Entry, patience: Patience) -> Entry | None:
    """The file's tail in the archive, and its line of the manifest; None when it begins otherwise than the base's.

    It is read once: its beginning is compared by the hash that goes on with the tail. Raises OSError.
    """
    flags = found.flags if SECRET in found.flags or SECRET not in before.flags else (*found.flags, SECRET)
    member = f"{TAILS}/{found.path}"

    def write(source: BinaryIO) -> Entry | None:
        whole = _Hashed(source)
        whole.skip(before.size)
        if whole.digest.hexdigest() != before.sha256:
            return None
        size, sha256 = writer.file(member, cast(BinaryIO, whole), found.mtime_ns, found.mode)
        tail, size = (before.size, sha256), before.size + size
        return entry._replace(size=size, sha256=whole.digest.hexdigest(), member=member, flags=flags, tail=tail)

    return read_steadily(found, write, patience)


class _Hashed:
    """A file that is read, with the SHA-256 of all that was read of it."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.digest = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        data = self.source.read(size)
        self.digest.update(data)
        return data

    def skip(self, count: int) -> None:
        """Read so many bytes, or all when there are fewer."""
        while count and (data := self.read(min(PART, count))):
            count -= len(data)
