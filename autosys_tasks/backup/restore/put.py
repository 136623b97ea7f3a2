"""Writes restored files, links and folders: each file whole or not at all, never through a link or out of the target.

A new file is written without a name (anonymous_files.py), compared with its hash, given its mode and time, and then its
name. Where the disk has no such files, and for all else, it is written into a scratch folder below the target, then
renamed. What a kill leaves is that scratch folder, which the next restore removes.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import itertools
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.progress import TellBytes
from autosys_tasks.backup.read import sha256_of
from autosys_tasks.backup.restore import anonymous_files
from autosys_tasks.backup.restore.file_bytes import (
    Partial,
    StreamWriter,
    WrongBytes,
    compare,
    reason,
    set_metadata,
    try_set_metadata,
)
from autosys_tasks.backup.restore.look import existing, target_path
from autosys_tasks.backup.restore.plan import WRITE, Existing, Item, folders_of
from autosys_tasks.backup.scratch import remove_tree
from autosys_tasks.backup.values import FILE, FOLDER, HARDLINK, LINK, RESTORING, Entry
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.faults import fault_or_nothing
from autosys_tasks.core.files import cannot_write, is_full, long_path, retry_while_held

READ_ONLY = 5  # ERROR_ACCESS_DENIED: what Windows says of replacing a file that is read-only
BY_NUMBER = os.utime in os.supports_fd and os.chmod in os.supports_fd  # an open file takes mode and time: not Windows
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
MORE = os.O_WRONLY | getattr(os, "O_BINARY", 0)
DAMAGED = "damaged: "
Done = Callable[[Item, bool, str], None]


class Destination:
    """The folder that is restored to. Several threads may write into it, each its own files."""

    def __init__(self, to: Path, done: Done, tell_bytes: TellBytes) -> None:
        self.to = to
        self.done = done  # called once for each item: how it ended
        self.tell_bytes = tell_bytes  # called with bytes as they are written
        self.scratch = Path(target_path(to, f"{RESTORING}{os.getpid()}"))
        self.top = target_path(to, "")
        self.cleanup = contextlib.ExitStack()
        self.anonymous: anonymous_files.Maker | None = None
        self.known_folders: set[str] = {""}  # folders that exist and are no links
        self.mode_bits = 0  # permission bits that the umask leaves to new files
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()  # held to make folders
        self.fault = fault_or_nothing()
        self.write = StreamWriter(tell_bytes, self.fault).write

    def __enter__(self) -> Destination:
        try:
            os.makedirs(long_path(os.fspath(self.to)), exist_ok=True)
            remove_tree(self.scratch)
            os.mkdir(self.scratch)  # with a mode of 0o700, Windows would let nobody else read what was in it, ever
            self.mode_bits = stat.S_IMODE(os.stat(self.scratch).st_mode) & 0o777
        except OSError as error:
            said = cannot_write(self.to, error)
            hint = said.hint if is_full(error) else "name a folder that this user may write into: --to DIR"
            raise StateError(said.message, where=said.where, hint=hint) from error
        self.cleanup.callback(remove_tree, self.scratch)
        self.anonymous = self.cleanup.enter_context(anonymous_files.maker(os.fspath(self.scratch)))
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup.close()

    @contextlib.contextmanager
    def copied(self, done: Done, tell_bytes: TellBytes) -> Iterator[Destination]:
        """The same site for a forked worker, with other callbacks."""
        mine = copy.copy(self)
        mine.done, mine.tell_bytes, mine.write = done, tell_bytes, StreamWriter(tell_bytes, self.fault).write
        with anonymous_files.reopened(self.anonymous) as mine.anonymous:
            yield mine

    def folder(self, item: Item) -> None:
        """Make an empty folder; `finish_folders` sets its mode and time."""
        with _Reported(self, item):
            self._make_parents(item.wanted.target)
            self._make_folder(item.wanted.target)

    def begin(self, most: int, chunks: Iterable[bytes]) -> Partial:
        """Write the beginning of a file, `most` bytes, without a name. Raises only what `chunks` raises."""
        partial = self._new_partial()
        try:
            return self._received(partial, most, chunks)
        except BaseException:
            _discard(partial.scratch)
            raise

    def files(self, items: Sequence[Item], chunks: Iterable[bytes], partial: Partial | None = None) -> None:
        """Write one stream of bytes, after `partial`, to every item that has these bytes; or report the damage."""
        try:
            self._files(items, chunks, partial)
        except Damaged as error:
            self.fail(items, f"{DAMAGED}{error.message}")

    def fail(self, items: Iterable[Item], why: str) -> None:
        """Report that these items could not be restored."""
        for item in items:
            self.done(item, False, why)

    def _files(self, items: Sequence[Item], chunks: Iterable[bytes], partial: Partial | None) -> None:
        if partial is None and len(items) == 1 and self._put_anonymous(items[0], chunks):
            return
        partial, first = partial or self._new_partial(), items[0].wanted.entry
        scratch = partial.scratch
        try:
            if len(items) > 1:
                items = sorted(items, key=lambda item: item.wanted.entry.kind == HARDLINK)
                all_of_it = self._received(partial, first.size, chunks)
            else:
                all_of_it = self._received(partial, first.size, chunks, first if BY_NUMBER else None)
            if self._placed(items, all_of_it):
                return
        except BaseException:
            _discard(scratch)
            raise
        _discard(scratch)

    def _put_anonymous(self, item: Item, chunks: Iterable[bytes]) -> bool:
        """Write a new file without a name, then name it; False, with no chunk taken, where that is not possible."""
        entry, target = item.wanted.entry, item.wanted.target
        if self.anonymous is None or item.kind != WRITE:
            return False
        folder = target.rpartition("/")[0]
        try:
            if folder not in self.known_folders:
                self._make_parents(target)
            fd, mode = self.anonymous.open(self.top + folder, entry.mode & 0o777)
        except OSError:
            return False
        with _Reported(self, item):
            try:
                written = self.write(fd, Partial("", hashlib.sha256()), entry.size, chunks)
                compare(written, entry)
                if why := try_set_metadata(fd, entry, mode):
                    raise OSError(why)
                self.fault("restore.before-rename")
                self._name(fd, item)
                self.fault("restore.after-rename")
            finally:
                os.close(fd)
        return True

    def _name(self, fd: int, item: Item) -> None:
        target = self.top + item.wanted.target
        assert self.anonymous
        try:
            self.anonymous.name(fd, target)
        except FileExistsError:
            now = existing(target)
            if now is None or not _is_wanted(now, target, item.wanted.entry):
                raise OSError(f"{now.said if now else 'something'} has appeared there meanwhile") from None

    def _new_partial(self) -> Partial:
        return Partial(self._new_name(), hashlib.sha256())

    def _received(self, partial: Partial, most: int, chunks: Iterable[bytes], entry: Entry | None = None) -> Partial:
        """Append the stream to its scratch file. With `entry` set mode and time, too, while the file is open."""
        scratch, digest, size, why, _ = partial
        mode = entry.mode & self.mode_bits if entry and not size else 0o600
        fd = -1
        try:
            try:
                fd = -1 if why else os.open(scratch, MORE if size else NEW, mode)
            except OSError as error:
                why = reason(error)
            if fd >= 0 and size:
                os.lseek(fd, 0, os.SEEK_END)
            _, _, size, why, _ = self.write(fd, Partial(scratch, digest, size, why), most, chunks)
            if entry and not why:
                why = try_set_metadata(fd, entry, mode)
        finally:
            if fd >= 0:
                os.close(fd)
        return Partial(scratch, digest, size, why, entry is not None)

    def _placed(self, items: Sequence[Item], partial: Partial) -> bool:
        """Place the bytes for each item, as copies or hard links; whether the last one took the scratch file."""
        taken, scratch = False, partial.scratch
        written: dict[str, str] = {}  # path in the backup -> file with its bytes
        for number, item in enumerate(items):
            entry = item.wanted.entry
            with _Reported(self, item):
                compare(partial, entry)
                other = written.get(entry.link) if entry.kind == HARDLINK else None
                last = number == len(items) - 1
                source = self._linked(other) or (scratch if last else self._copied(scratch))
                if not partial.has_metadata:
                    set_metadata(source, entry)
                self._file(item, source)
                taken = source == scratch
                if not last:
                    written[entry.link or entry.path] = target_path(self.to, item.wanted.target)
        return taken

    def _linked(self, other: str | None) -> str | None:
        """A scratch hard link to a restored file; None where the disk has no hard links."""
        if other is None:
            return None
        name = self._new_name()
        with contextlib.suppress(OSError):
            os.link(other, name)
            return name
        return None

    def _copied(self, scratch: str) -> str:
        name = self._new_name()
        shutil.copyfile(scratch, name)
        return name

    def _file(self, item: Item, scratch: str) -> None:
        self._make_parents(item.wanted.target)
        self.fault("restore.before-rename")
        self._rename(scratch, item)
        self.fault("restore.after-rename")

    def link(self, item: Item) -> None:
        """Make a symbolic link; its target need not exist."""
        with _Reported(self, item):
            self._make_parents(item.wanted.target)
            target, text = target_path(self.to, item.wanted.target), item.wanted.entry.link
            text, scratch = text.replace("/", os.sep), self._new_name()
            is_folder = os.path.isdir(os.path.join(os.path.dirname(target), text))
            os.symlink(text, scratch, target_is_directory=is_folder)
            mtime = item.wanted.entry.mtime_ns
            with contextlib.suppress(OSError, NotImplementedError):  # not every system sets the time of a link itself
                os.utime(scratch, ns=(mtime, mtime), follow_symlinks=False)
            self._rename(scratch, item)

    def finish_folders(self, items: Sequence[Item], *, whole: bool) -> None:
        """Set modes and times of folders, the innermost first, after all else: a write into a folder changes its time.

        Unless all is `whole`, leave each writable for this user: another restore will bring what is missing.
        """
        self.fault("restore.before-folders")
        for item in reversed(items):
            path = target_path(self.to, item.wanted.target)
            now = existing(path)
            if now is not None and now.kind == FOLDER:
                entry = item.wanted.entry
                with contextlib.suppress(OSError):
                    set_metadata(path, entry if whole else entry._replace(mode=entry.mode | stat.S_IRWXU))

    def _make_parents(self, target: str) -> None:
        """Make the missing folders above a target; raises OSError when something else is in the way."""
        if target.rpartition("/")[0] in self.known_folders:
            return
        with self.lock:
            for above in folders_of(target):
                if above not in self.known_folders:
                    self._make_folder(above)

    def _make_folder(self, folder: str) -> None:
        path = target_path(self.to, folder)
        with contextlib.suppress(FileExistsError):  # another restore into the same folder may make it, too
            os.mkdir(path)
        now = existing(path)
        if now is None or now.kind != FOLDER:
            said = now.said if now else "gone"
            raise OSError(f"`{folder}` is {said} there: nothing is written through it")
        self.known_folders.add(folder)

    def _rename(self, scratch: str, item: Item) -> None:
        """Rename the scratch file to its target; what appeared there since the plan was made stays."""
        target = target_path(self.to, item.wanted.target)
        if item.kind == WRITE and BY_NUMBER and _link_to(scratch, target):
            return
        now = existing(target)
        if now is not None and (item.is_new or now.kind == FOLDER):
            if _is_wanted(now, target, item.wanted.entry):
                return _discard(scratch)
            raise OSError(f"{now.said} has appeared there meanwhile")
        try:
            retry_while_held(lambda: os.replace(scratch, target))
        except OSError as error:
            if getattr(error, "winerror", None) == READ_ONLY and now is not None and now.kind == FILE:
                os.chmod(target, 0o600)
                os.replace(scratch, target)
            elif error.errno == errno.EXDEV:  # another disk begins below the folder that is restored to
                beside = os.path.join(os.path.dirname(target), f"{self.scratch.name}-{os.path.basename(scratch)}")
                shutil.copy2(scratch, beside, follow_symlinks=False)
                os.replace(beside, target)
            else:
                raise

    def _new_name(self) -> str:
        return f"{self.scratch}{os.sep}{os.getpid()}-{next(self.numbers)}.part"


class _Reported:
    """Reports how one item ended; its errors stop no other. (A class: a generator would cost six times as much.)"""

    def __init__(self, site: Destination, item: Item) -> None:
        self.site, self.item = site, item

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        done = self.site.done
        if error is None:
            done(self.item, True, success_text(self.item))
        elif isinstance(error, WrongBytes):
            done(self.item, False, "damaged: its bytes are not those that the manifest names")
        elif isinstance(error, (OSError, ValueError)):
            done(self.item, False, reason(error))
        else:
            return False
        return True


def success_text(item: Item) -> str:
    """What is reported of an item that was restored."""
    wanted = item.wanted
    return f"as `{wanted.target}`: {wanted.why}" if wanted.why else item.reason


def _link_to(scratch: str, target: str) -> bool:
    """Name a file by a hard link, which replaces nothing and is cheaper than a rename; False when that fails."""
    try:
        os.link(scratch, target)
    except OSError:  # something has that name, or the disk has no links: a rename says which
        return False
    _discard(scratch)
    return True


def _is_wanted(now: Existing, target: str, entry: Entry) -> bool:
    """Whether the very file or link that is wanted is there: another restore into the same folder was quicker."""
    if now.kind == LINK:
        return (entry.kind, entry.link) == (LINK, now.link)
    return now.kind == FILE and sha256_of(target) == entry.sha256


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
