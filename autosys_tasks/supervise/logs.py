"""Logs that the services write themselves: rotated without losing a line, followed across rotations."""

from __future__ import annotations

import codecs
import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from typing import BinaryIO

from autosys_tasks import host
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import decode, retry_while_held, write_all

BLOCK = 1 << 20
HELD_FOR_S = 0.2  # a start does not wait long for who looks at a log


def shift_up(path: str, keep: int) -> None:
    """`.1` becomes `.2` and so on; the oldest goes."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}.{keep}")
    for number in range(keep - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}.{number}", f"{path}.{number + 1}")


def rotate_stopped(path: str, log_max: int, keep: int) -> int:
    """Before a start, when nobody writes: move a full log away. Returns the size of what is there now.

    Where somebody holds one of its files (an editor, on Windows) the log is left to grow.
    """
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return 0
    if size <= log_max:
        return size
    try:
        shift_up(path, keep)
        if keep:
            retry_while_held(lambda: os.replace(path, f"{path}.1"), for_s=HELD_FOR_S)
        else:
            os.truncate(path, 0)
    except OSError:
        return size
    return 0


def rotate_running(path: str, log_max: int, keep: int) -> int:
    """While its service writes: copy the head to `.1`, then take it out in one step of the file system.

    Where the file system cannot do that, or has no room for the copy, the log is left to grow until the next
    start: a line is worth more than a limit. Of a flood as much is copied as `keep` full logs hold: had it been
    looked at in time, the rest would be gone, too. Returns how many bytes went.
    """
    try:
        if os.stat(path).st_size <= log_max:
            return 0
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        size = os.fstat(fd).st_size - 1  # the last block stays: no file system takes out all that a file holds
        scratch = f"{path}.rotating"
        size -= size % 65536
        if size == 0 or not _can_cut(scratch):
            return 0
        if not _copy_head(fd, scratch, _first_kept(fd, size, log_max * max(1, keep)), size):
            return 0
        shift_up(path, max(1, keep))
        os.replace(scratch, f"{path}.1")
        fault("logs.after-copy")  # ended here, lines stand twice; the other order would lose them
        return host.cut_head(fd, size)
    finally:
        os.close(fd)


def _can_cut(scratch: str) -> bool:
    """Tried on a scratch file beside the log first, so that nothing is copied in vain."""
    fd = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, bytes(2 * 65536))
        return host.cut_head(fd, 65536) == 65536
    except OSError:
        return False
    finally:
        os.close(fd)
        os.unlink(scratch)


def _first_kept(fd: int, size: int, most: int) -> int:
    """Where the line begins from which on no more than `most` bytes lie before `size`."""
    if size <= most:
        return 0
    os.lseek(fd, size - most, os.SEEK_SET)
    return size - most + os.read(fd, min(BLOCK, most)).find(b"\n") + 1


def _copy_head(fd: int, target: str, start: int, end: int) -> bool:
    """Whether all of it was copied; of a copy that did not succeed nothing is left."""
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    size = end - start
    try:
        os.lseek(fd, start, os.SEEK_SET)
        while size > 0 and (block := os.read(fd, min(1 << 20, size))):
            write_all(out, block)
            size -= len(block)
    except OSError:
        size = -1
    finally:
        os.close(out)
    if size:
        os.unlink(target)
    return not size


def tail_lines(path: str, lines: int) -> list[str]:
    """The last lines of a log, reaching into older files when the newest holds fewer."""
    found: list[str] = []
    older = (f"{path}.{number}" for number in itertools.count(1))
    for part in itertools.chain([path], older):
        try:
            found = _last_lines(part, lines - len(found)) + found
        except FileNotFoundError:
            if part != path:
                break
        if len(found) >= lines:
            break
    return found


def _last_lines(path: str, lines: int) -> list[str]:
    """Read from the end backwards, no more than it takes: a log may be larger than the memory."""
    with open(path, "rb") as file:
        mark, start, raw = file.read(2), file.seek(0, os.SEEK_END), b""
        while start and raw.count(b"\n") <= lines:
            size = min(BLOCK, start)
            start -= size
            file.seek(start)
            raw = file.read(size) + raw
    if start and mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raw = mark + raw
    text = decode(raw).removesuffix("\n")
    return [line.rstrip("\r") for line in text.split("\n")[-lines:]] if text and lines else []


def follow(path: str, lines: int, *, poll_s: float = 0.2) -> Iterator[str]:
    """The last `lines` lines, then what is written, for ever; a rotated or shortened file from its new beginning."""
    file, rest = _opened(path), b""
    try:
        if file is not None:
            *whole, rest = file.read().split(b"\n")
            yield from (decode(line.rstrip(b"\r")) for line in whole[-lines:] if lines)
        while True:
            if file is None:
                file = _opened(path)
            chunk = file.read() if file else b""
            if chunk:
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (decode(line.rstrip(b"\r")) for line in whole)
                continue
            if file is not None and _moved(path, file.fileno(), file.tell()):
                file.close()
                if rest:  # its last line, which nobody ends any more
                    yield decode(rest.rstrip(b"\r"))
                file, rest = None, b""
                continue
            time.sleep(poll_s)
    finally:
        if file is not None:
            file.close()


def _opened(path: str) -> BinaryIO | None:
    """The log, so that it can be rotated meanwhile on every system; None when there is none."""
    try:
        return os.fdopen(host.open_read(os.path.realpath(path)), "rb")
    except FileNotFoundError:
        return None


def _moved(path: str, fd: int, position: int) -> bool:
    try:
        there, here = os.stat(path), os.fstat(fd)
    except FileNotFoundError:
        return False
    return there.st_ino != here.st_ino or here.st_size < position
