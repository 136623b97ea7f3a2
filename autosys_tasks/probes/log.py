"""Asks a service's log whether it has written a certain line since its start. Reads only what it gained."""

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


class _Reading:
    """How far one log has been read for one pattern."""

    def __init__(self, files: _Files) -> None:
        self.inodes = files.inodes
        self.position = 0  # in the newest part
        self.gained = 0  # bytes read so far
        self.rest = ""  # the line that has no end yet
        self.found = ""
        self.decoder: codecs.IncrementalDecoder | None = None


_readings: dict[tuple[str, int, float | None, str], _Reading] = {}


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
    reading = _readings.get(key)
    if reading is None or not reading.found:
        files = _files(subject)
        if files is None:
            return Answer(NG, "no log", "there is no log yet")
        reading = _continued(reading, files)
        _remember(key, reading)
        _read_on(reading, files, pattern, time.monotonic() + probe.timeout_s)
    if reading.found:
        return Answer(OK, f"log line `{quote(reading.found, subject)}`")
    gained = size(reading.gained) if reading.gained else "nothing"
    return Answer(NG, f"{gained} logged since its start", f"no line matches `{shown}` yet")


def _remember(key: tuple[str, int, float | None, str], reading: _Reading) -> None:
    if len(_readings) >= REMEMBERED:
        _readings.clear()
    _readings[key] = reading


def _continued(reading: _Reading | None, files: _Files) -> _Reading:
    """The same reading while the log only grew; a new one after a rotation or a truncation."""
    if reading is not None and reading.inodes == files.inodes and files.size >= reading.position:
        return reading
    return _Reading(files)


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
    return _Files(_begins(parts[::-1], subject.log_offset), tuple(inodes), newest.st_size)


def _begins(parts: list[tuple[str, int]], offset: int) -> tuple[tuple[str, int], ...]:
    """Where this instance's lines begin in each part: the first `offset` bytes are an earlier one's."""
    if offset > sum(length for _path, length in parts):
        offset = 0  # it was truncated since: all that is there is new
    begins = []
    for path, length in parts:
        begins.append((path, min(offset, length)))
        offset -= min(offset, length)
    return tuple(begins)


def _read_on(reading: _Reading, files: _Files, pattern: re.Pattern[str], ends: float) -> None:
    if reading.position:
        parts: tuple[tuple[str, int], ...] = ((files.parts[-1][0], reading.position),)
    else:
        parts, reading.rest, reading.gained, reading.decoder = files.parts, "", 0, None
    for number, (path, begin) in enumerate(parts):
        newest = number == len(parts) - 1
        try:
            with open(path, "rb") as file:
                _read_part(reading, file, begin, pattern, ends)
                reading.position = file.tell() if newest else 0
        except FileNotFoundError:
            continue  # rotated away this very moment: the next question reads it anew
        if reading.found:
            return


def _read_part(reading: _Reading, file: BinaryIO, begin: int, pattern: re.Pattern[str], ends: float) -> None:
    head = file.read(2)
    file.seek(begin)
    while time.monotonic() < ends and (block := file.read(BLOCK_BYTES)):
        reading.gained += len(block)
        if reading.decoder is None:
            reading.decoder = codecs.getincrementaldecoder(_encoding(head, block))("replace")
        *lines, reading.rest = (reading.rest + reading.decoder.decode(block)).split("\n")
        reading.rest = reading.rest[-LINE_CHARS:]
        for line in (*lines, reading.rest):
            if pattern.search(text := line.strip("\r\ufeff\0")):
                reading.found = text or " "
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
