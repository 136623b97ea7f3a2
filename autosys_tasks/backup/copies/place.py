"""The interface of second places, to which backups are copied: a folder, a bucket, an SFTP server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from autosys_tasks.config.addresses import Address, parse
from autosys_tasks.core.errors import AutosysError

PART = ".part"  # what is being sent is called so until it has been checked
CHUNK = 1 << 20
TIMEOUT_S = 60.0  # without a byte
LATER = "the next backup goes on from there"
INSTALL = 'python -m pip install "autosys[copies]"'


class PlaceError(AutosysError):
    """A place, or one file there, failed; the rest is done."""

    code = 4
    kind = "copy"


class Lost(PlaceError):
    """The connection broke: one more try is worth it."""


class Full(PlaceError):
    """There is no room; removing what is kept too long may make some."""


class NameTaken(PlaceError):
    """Something has the name that was to be a new one, and keeps it."""


class Place(Protocol):
    """What a place can do. Names are plain; every function raises PlaceError, and Lost when the line broke."""

    def names(self) -> Mapping[str, int]:
        """What lies there and how long it is, `.part`s too."""

    def put(self, name: str, chunks: Iterable[bytes], size: int, *, new: bool = False) -> str:
        """Store `size` bytes, and say under which name they lie until `finish`, where `new` is the same."""

    def finish(self, name: str, *, new: bool = False) -> None:
        """Give what was put its name, in one step; what had it is replaced. `new`: NameTaken is raised instead."""

    def drop(self, name: str) -> None:
        """Take away what was put and has no name yet; what has the name stays."""

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of what lies there."""

    def piece(self, name: str, at: int, size: int) -> bytes:
        """Up to `size` bytes (at least 1) from offset `at`; fewer only at the end of the file."""

    def remove(self, name: str) -> None:
        """Take it away, and what an interrupted `put` of it left; no error when there is nothing."""

    def close(self) -> None:
        """Let go of the connection."""


def open_place(
    address: str, shown: str, *, make: bool = False, timeout_s: float = TIMEOUT_S, part: str = PART
) -> Place:
    """Open the place at an address that has its password in it; raises PlaceError, ValueError for no address.

    `shown`: its address as messages may show it. `make`: make its folder when it is not there. `part`: the suffix of
    files that are being sent, another one for each sender.
    """
    where = parse(address)
    if where.scheme == "file":
        from autosys_tasks.backup.copies.place_folder import Folder

        return Folder(where, shown, make, part)
    if where.scheme == "s3":
        from autosys_tasks.backup.copies.place_s3 import Bucket

        return Bucket(where, shown, timeout_s)
    from autosys_tasks.backup.copies.place_sftp import connected

    return connected(where, shown, make, timeout_s, part)


def lacks(module: str, shown: str) -> PlaceError:
    """The error for a place that needs a package which is not installed."""
    return PlaceError(f"`{shown}` needs the package `{module}`, which is not installed", where=shown, hint=INSTALL)


def gone(where: str, shown: str, error: OSError | None = None) -> PlaceError:
    """The error for a folder that held backups and is not there."""
    why = f" ({error.strerror or error})" if error else ""
    hint = f"plug in or mount what it lies on, or make the folder `{where}` again to begin anew"
    return PlaceError(f"`{shown}` is not there any more{why}", where=shown, hint=hint)


def full(shown: str, said: str) -> Full:
    """The error for a place that has no room left."""
    hint = "make room there, or keep less: keep_days of [backup]"
    return Full(f"`{shown}` is full: {said}", where=shown, hint=hint)


def login(where: Address) -> str:
    """The arguments with which `ssh` reaches the same server."""
    port = f"-p {where.port} " if where.port else ""
    return f"{port}{where.user + '@' if where.user else ''}{where.host}"
