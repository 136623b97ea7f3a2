"""Reads small files, and replaces them atomically. Retries while another program holds a file for a moment."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
from collections.abc import Callable
from itertools import takewhile
from operator import methodcaller
from pathlib import Path
from typing import TypeVar

from autosys_tasks.core.errors import StateError
from autosys_tasks.core.faults import fault

T = TypeVar("T")
SCRATCH_NAME = re.compile(r".+\.\d+\.tmp")
ABANDONED_S = 3600.0  # a write takes milliseconds
NO_FOLDER = (123, 267)  # Windows: what was to be listed has no name for one, or is none
SPACE_HINT = "free some disk space and run the same command again"
HELD_FOR_S = 1.0  # another process may hold a file without delete sharing for a moment (Windows: 5, 32)


def retry_while_held(action: Callable[[], T], *, for_s: float = HELD_FOR_S) -> T:
    """`action()`, retried up to `for_s` seconds while another process holds the file; raises the PermissionError."""
    deadline, pause_s = time.monotonic() + for_s, 0.001
    while True:
        try:
            return action()
        except PermissionError as error:
            transient = getattr(error, "winerror", "posix") in (5, 32, None)
            if not transient or time.monotonic() > deadline:
                raise
        time.sleep(pause_s)
        pause_s = pause_s * 1.3 % 0.02  # uneven: else another regular user of the file might always collide


def write_atomic(path: Path | str, text: str | bytes, *, durable: bool = False, mode: int = 0o644) -> None:
    """Replace `path` by `text` in one step: readers see the old or the new, never a part.

    `durable` also survives a power cut (fsync); without it the file survives any kill, which is all
    that a record bound to one boot needs. Raises StateError, naming the folder and the cause.
    """
    target = os.fspath(path)
    scratch = f"{target}.{os.getpid()}.tmp"
    try:
        fault("files.before-write")
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), mode)
        try:
            write_all(fd, text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        fault("files.before-replace")
        retry_while_held(lambda: os.replace(scratch, target))
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        if isinstance(error, OSError):
            raise cannot_write(target, error) from error
        raise


def remove_unfinished(folder: Path | str, below: int = 0) -> None:
    """Remove scratch files of `write_atomic` that are older than an hour: their process was killed.

    Searches this folder, and `below` levels of folders below it.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if below:
                    remove_unfinished(entry.path, below - 1)
            elif SCRATCH_NAME.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > ABANDONED_S:
                os.unlink(entry.path)


def remove_unfinished_of(path: Path | str, lives: Callable[[int], object]) -> None:
    """Remove scratch files of `write_atomic` for this file whose process is dead: `lives(pid)` is false.

    Nothing with another name is removed: the folder may be a person's.
    """
    folder, name = os.path.split(path)
    begun = re.compile(rf"{re.escape(name)}\.(\d{{1,9}})\.tmp", re.ASCII)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for found in filter(None, (begun.fullmatch(entry.name) for entry in entries)):
            if not lives(int(found[1])):
                os.unlink(f"{folder}/{found[0]}")


def sync_folder(folder: Path | str) -> None:
    """Make a folder's names survive a power cut (fsync). Does nothing on systems without fsync for folders.

    Raises OSError when the disk is full or fails.
    """
    try:
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno == errno.EIO or is_full(error):
            raise


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; raises OSError, also when a nearly full disk takes only a part."""
    while data:
        data = data[os.write(fd, data) :]


def is_full(error: OSError) -> bool:
    """Whether the disk is full, or this user's quota."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def cannot_write(path: Path | str, error: OSError, doing: str = "write") -> StateError:
    """The error for a path that could not be written (or read, removed: `doing`), with a hint for a person."""
    reason = error.strerror or str(error)
    hint = "make the folder writable"
    if is_full(error):
        hint = SPACE_HINT
    elif error.errno == errno.EIO:
        hint = "that disk fails: see to it, then run the same command again"
    elif in_the_way := _in_the_way(path, error):
        hint = f"{in_the_way}, then run the same command again"
    elif error.errno == errno.EACCES:  # by its number: Windows says it in the user's language
        held = "close the program that holds it, or " if hasattr(error, "winerror") else ""
        hint = f"{held}{hint} for this user{_whose(path)}; where it is the state folder, AUTOSYS_STATE names another"
    elif error.errno == errno.EROFS:
        hint += "; where it is the state folder, AUTOSYS_STATE names another"
    return StateError(f"cannot {doing} `{path}`: {reason}", where=str(path), hint=hint)


def _in_the_way(path: Path | str, error: OSError) -> str:
    """What a person does about a file where a folder belongs, or the other way round; "" when that is not it."""
    if error.errno == errno.EISDIR:
        return f"move the folder `{path}` away"
    there = (each for each in (Path(path), *Path(path).parents) if os.path.lexists(each))
    is_no_folder = error.errno in (errno.EEXIST, errno.ENOTDIR) or getattr(error, "winerror", 0) in NO_FOLDER
    nearest = next(there, None) if is_no_folder else None
    return f"move the file `{nearest}` away" if nearest and not nearest.is_dir() else ""


def _whose(path: Path | str) -> str:
    """Which other user has the file, or the nearest folder above it that can be seen; "" where that is not known."""
    for each in (Path(path), *Path(path).parents):
        try:
            if each.stat().st_uid == getattr(os, "geteuid", int)():
                return ""
            return f" (it belongs to {methodcaller('owner')(each)})"  # which Path has on Windows too, and raises
        except (KeyError, NotImplementedError):  # a user without a name; Windows
            return ""
        except OSError:
            continue
    return ""


def make_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, private to this user; raises StateError."""
    try:
        missing = list(takewhile(lambda each: not each.exists(), path.parents))
        for folder in (*reversed(missing), path):
            folder.mkdir(exist_ok=True, mode=0o700)  # `parents=True` would leave those open to everybody
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def check_writable(folder: Path) -> None:
    """Make the folder if it is missing, and check that a file can be made in it; raises StateError."""
    trial = make_folder(folder) / f"trial.{os.getpid()}.tmp"
    try:
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT, 0o600))
        retry_while_held(trial.unlink)
    except OSError as error:
        raise cannot_write(folder, error) from error


def long_path(path: str) -> str:
    """An absolute path in the form that Windows takes at any length (over 260 characters); elsewhere as it is."""
    drive = os.path.splitdrive(path)[0]  # always "" but on Windows
    if not drive or path.startswith("\\\\?\\"):
        return path
    path = os.path.normpath(path)
    return f"\\\\?\\UNC\\{path[2:]}" if path.startswith("\\\\") else f"\\\\?\\{path}"


def is_gone(folder: Path | str) -> bool:
    """Whether the folder certainly does not exist; False when its drive or share does not answer."""
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return os.path.isdir(Path(folder).anchor)
    except (OSError, ValueError):
        return False
    return False


def read_text(path: Path | str) -> str | None:
    """The file's text (a BOM is fine), or None when there is no such file."""
    raw = read_bytes(path)
    return None if raw is None else raw.decode("utf-8-sig")


def read_bytes(path: Path | str) -> bytes | None:
    """The file's bytes, or None when there is no such file."""
    try:
        return retry_while_held(lambda: read_file(path))
    except FileNotFoundError:
        return None


def read_file(path: Path | str) -> bytes:
    """A small file's bytes, at a third of the cost of `open`; raises OSError."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        data = os.read(fd, 65536)
        while len(data) % 65536 == 0 and (more := os.read(fd, 65536)):
            data += more
        return data
    except IsADirectoryError as error:  # of which the system does not say the name
        raise IsADirectoryError(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        os.close(fd)


def read_json(path: Path | str) -> object:
    """The document in a JSON file, None when absent; raises ValueError when it does not parse."""
    text = read_text(path)
    try:
        return None if text is None else json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_tail(path: Path | str, size: int = 4096) -> str:
    """The last `size` bytes of a log as text, beginning with a whole line; "" when absent."""
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size))
            tail = file.read(size)
    except FileNotFoundError:
        return ""
    if end > size:
        tail = tail.partition(b"\n")[2] or tail
    return decode(tail)


def decode(raw: bytes) -> str:
    """Decode another program's text: UTF-16 by its BOM; else each line as UTF-8, or else in the system's code page."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "".join(map(_decode_line, raw.splitlines(keepends=True)))


def _decode_line(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        import locale

        return raw.decode(locale.getencoding(), "replace")
