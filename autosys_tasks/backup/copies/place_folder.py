"""A folder as a second place: another disk, a share, a folder that some program keeps in a cloud."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.backup.copies.place import CHUNK, NameTaken, PlaceError, full, gone
from autosys_tasks.config.addresses import Address, parse
from autosys_tasks.config.model import Backup
from autosys_tasks.core.files import is_full, retry_while_held, sync_folder


class Folder:
    """A place (see place.Place) that is a folder of this machine's."""

    def __init__(self, where: Address, shown: str, make: bool, part: str) -> None:
        self.path, self.shown, self.part = folder_of(where), shown, part
        if where.host and not self.path.drive:
            hint = "mount the share, and name the folder: file:///mnt/share"
            raise PlaceError(f"`{shown}` names a server, which only Windows reaches so", where=shown, hint=hint)
        with self._said("use"):
            if make:
                self.path.mkdir(parents=True, exist_ok=True)
            elif not self.path.is_dir():
                raise gone(str(self.path), shown)

    def names(self) -> Mapping[str, int]:
        """What lies there and how long it is."""
        with self._said("list"), os.scandir(self.path) as found:
            return {one.name: one.stat().st_size for one in found if one.is_file(follow_symlinks=False)}

    def put(self, name: str, chunks: Iterable[bytes], size: int, *, new: bool = False) -> str:
        """Store it as NAME.part, on the disk itself before this ends."""
        path = self.path / (name + self.part)
        with self._said("write"):
            if (free := shutil.disk_usage(self.path).free) < size:
                raise full(self.shown, f"{size} bytes are to be written and {free} are free")
            retry_while_held(lambda: path.unlink(missing_ok=True))  # it may be a second name of what was finished
            with path.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                if forget := getattr(os, "posix_fadvise", None):  # it is read back from the disk, not from memory
                    forget(file.fileno(), 0, 0, getattr(os, "POSIX_FADV_DONTNEED", 4))
        return path.name

    def finish(self, name: str, *, new: bool = False) -> None:
        """NAME.part becomes NAME."""
        with self._said("rename"):
            give = _named_anew if new else os.replace
            retry_while_held(lambda: give(self.path / (name + self.part), self.path / name))
            sync_folder(self.path)

    def drop(self, name: str) -> None:
        """Take its `.part` away."""
        with self._said("remove"):
            retry_while_held(lambda: (self.path / (name + self.part)).unlink(missing_ok=True))

    def read(self, name: str) -> Iterator[bytes]:
        """Its bytes."""
        with self._said("read"), retry_while_held(lambda: (self.path / name).open("rb")) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def piece(self, name: str, at: int, size: int) -> bytes:
        """Up to `size` bytes from offset `at`."""
        with self._said("read"), retry_while_held(lambda: (self.path / name).open("rb")) as file:
            file.seek(at)
            return file.read(size)

    def remove(self, name: str) -> None:
        """Take it and its `.part` away."""
        with self._said("remove"):
            for each in (name, name + self.part):
                retry_while_held(lambda path=self.path / each: path.unlink(missing_ok=True))  # type: ignore[misc]

    def close(self) -> None:
        """Nothing is held."""

    @contextmanager
    def _said(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, FileExistsError) and doing == "rename":
                raise NameTaken(f"something has that name at `{self.shown}`", where=self.shown) from error
            if is_full(error):
                raise full(self.shown, os.strerror(error.errno or 0)) from error
            if not self.path.exists():
                raise gone(str(self.path), self.shown, error) from error
            why = error.strerror or str(error)
            hint = f"look at `{self.path}`: is it a folder that this user may write?"
            raise PlaceError(f"cannot {doing} at `{self.shown}`: {why}", where=self.shown, hint=hint) from error


def _named_anew(lies: Path, path: Path) -> None:
    """Give a file another name, in one step where the disk can; FileExistsError when something has that."""
    if host.PLATFORM == "windows":
        os.rename(lies, path)  # which replaces nothing there
        return
    try:
        os.link(lies, path)
        os.unlink(lies)
    except FileExistsError:
        raise
    except OSError:  # a disk without second names
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(lies, path)


def mount_of(where: Address) -> str:
    """Where the disk is mounted that a folder lies on, "" when it is not there or is none of this machine's."""
    path = os.path.realpath(folder_of(where)) if where.scheme == "file" else ""
    while path and not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def inside(declared: Backup, workspace: str) -> Iterator[str]:
    """Of each second place that lies in the workspace: that it survives no loss of it."""
    top = os.path.realpath(workspace)
    for address, shown in zip(declared.copies, declared.copies_shown, strict=True):
        where = parse(address)
        if where.scheme == "file" and Path(os.path.realpath(folder_of(where))).is_relative_to(top):
            yield f"`{shown}` lies in the workspace: whatever takes the one takes the other"


def folder_of(where: Address) -> Path:
    """The folder that a `file://` address names: `/D:/backup` is on D: where there are drives; a host has shares."""
    if where.host:
        return Path(f"//{where.host}{where.path}")
    drive = Path(where.path[1:])
    if drive.drive:
        return drive if drive.root else drive / "/"
    return Path(where.path or "/")
