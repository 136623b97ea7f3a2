"""Probes a service's log for a line written since its start. Reads only what is new since the last time."""

from __future__ import annotations

import codecs
import locale
import os
import re
import time
from typing import BinaryIO, NamedTuple

from autosys_tasks.core.clock import size
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN
from autosys_tasks.probes.values import Answer, Subject, quote

BLOCK_BYTES = 1 << 18
LINE_CHARS = 65_536
REMEMBERED = 256


class _Files(NamedTuple):
    """The log and the older parts of it that this instance wrote into, as they are now."""

    parts: tuple[tuple[str, int], ...]  # (path, where to begin), the oldest first
    inodes: tuple[int, ...]
    size: int  # of the newest part


class _Progress:
    """How far one log has been read for one pattern."""

    def __init__(self, files: _Files) -> None:
        self.inodes = files.inodes
        self.position = 0  # in the newest part
        self.bytes_read = 0  # bytes read so far
        self.rest = ""  # the line that has no end yet
        self.found = ""
        self.decoder: codecs.IncrementalDecoder | None = None


_progress_of: dict[tuple[str, int, float | None, str], _Progress] = {}


def ask_log(probe: Probe, subject: Subject) -> Answer:
    """Whether a line matches the regular expression `target`; found once is found for this start."""
    if not subject.log:
        return Answer(UNKNOWN, "not asked", "a log belongs to a service, and this is none")
    shown = quote(probe.target, subject)
    try:
        pattern = re.compile(probe.target)
    except re.error as error:
        return Answer(NG, "not asked", f"`{shown}` is no regular expression: {error}")
    key = (subject.log, subject.log_offset, subject.started_at, probe.target)
    progress = _progress_of.get(key)
    if progress is None or not progress.found:
        files = _files(subject)
        if files is None:
            return Answer(NG, "no log", "there is no log yet")
        progress = _progress_for(progress, files)
        _remember(key, progress)
        _read_new(progress, files, pattern, time.monotonic() + probe.timeout_s)
    if progress.found:
        return Answer(OK, f"log line `{quote(progress.found, subject)}`")
    gained = size(progress.bytes_read) if progress.bytes_read else "nothing"
    return Answer(NG, f"{gained} logged since its start", f"no line matches `{shown}` yet")


def _remember(key: tuple[str, int, float | None, str], progress: _Progress) -> None:
    if len(_progress_of) >= REMEMBERED:
        _progress_of.clear()
    _progress_of[key] = progress


def _progress_for(progress: _Progress | None, files: _Files) -> _Progress:
    """The same reading while the log only grew; a new one after a rotation or a truncation."""
    if progress is not None and progress.inodes == files.inodes and files.size >= progress.position:
        return progress
    return _Progress(files)


def _files(subject: Subject) -> _Files | None:
    """What to read. Rotated parts count when they were written to since the start; None: no log at all."""
    try:
        newest = os.stat(subject.log)
    except (FileNotFoundError, NotADirectoryError):
        return None
    since = None if subject.started_at is None else subject.started_at + min(0.0, subject.skew_s)
    parts = [(subject.log, newest.st_size)]
    inodes = [newest.st_ino]
    while since is not None:
        older = f"{subject.log}.{len(parts)}"
        try:
            seen = os.stat(older)
        except (FileNotFoundError, NotADirectoryError):
            break
        if seen.st_mtime < since:
            break
        parts.append((older, seen.st_size))
        inodes.append(seen.st_ino)
    return _Files(_begin_offsets(parts[::-1], subject.log_offset), tuple(inodes), newest.st_size)


def _begin_offsets(parts: list[tuple[str, int]], offset: int) -> tuple[tuple[str, int], ...]:
    """Where this instance's lines begin in each part: the first `offset` bytes are an earlier one's."""
    if offset > sum(length for _path, length in parts):
        offset = 0  # it was truncated since: all that is there is new
    begins = []
    for path, length in parts:
        begins.append((path, min(offset, length)))
        offset -= min(offset, length)
    return tuple(begins)


def _read_new(progress: _Progress, files: _Files, pattern: re.Pattern[str], deadline: float) -> None:
    if progress.position:
        parts: tuple[tuple[str, int], ...] = ((files.parts[-1][0], progress.position),)
    else:
        parts, progress.rest, progress.bytes_read, progress.decoder = files.parts, "", 0, None
    for number, (path, begin) in enumerate(parts):
        newest = number == len(parts) - 1
        try:
            with open(path, "rb") as file:
                _read_part(progress, file, begin, pattern, deadline)
                progress.position = file.tell() if newest else 0
        except FileNotFoundError:
            continue  # rotated away this very moment: the next question reads it anew
        if progress.found:
            return


def _read_part(progress: _Progress, file: BinaryIO, begin: int, pattern: re.Pattern[str], deadline: float) -> None:
    head = file.read(2)
    file.seek(begin)
    while time.monotonic() < deadline and (block := file.read(BLOCK_BYTES)):
        progress.bytes_read += len(block)
        if progress.decoder is None:
            progress.decoder = codecs.getincrementaldecoder(_encoding(head, block))("replace")
        *lines, progress.rest = (progress.rest + progress.decoder.decode(block)).split("\n")
        progress.rest = progress.rest[-LINE_CHARS:]
        for line in (*lines, progress.rest):
            if pattern.search(text := line.strip("\r\ufeff\0")):
                progress.found = text or " "
                return


def _encoding(head: bytes, block: bytes) -> str:
    """UTF-16 by its mark at the file's head, or by the zeros that Latin text has in it; else UTF-8 or the code page."""
    for mark, name in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head == mark:
            return name
    even, odd = block[:512:2].count(0), block[1:512:2].count(0)
    if max(even, odd) * 8 > len(block[:512]):
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(block) - 3:  # else a character goes on in the next block
            return locale.getencoding()
    return "utf-8"
