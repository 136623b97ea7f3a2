"""Reads the bytes that macOS calls `struct kinfo_proc`. Pure: makes no system call, is tested everywhere.

The layout is that of <sys/sysctl.h> and <sys/proc.h> on 64 bit (Intel and Apple silicon alike); psutil and
others rest on the same: `extern_proc` (296 bytes), then `eproc`, 648 bytes in all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

SIZE = 648
ZOMBIE = 5  # SZOMB of p_stat
_START = struct.Struct("<qi")  # p_starttime: seconds, microseconds; set at the fork, never moved
_STAT_AT, _PID_AT = 36, 40
_UID_AT = 296 + 124  # eproc.e_ucred.cr_uid
_FAMILY_AT = 296 + 264  # eproc.e_ppid, then e_pgid


class Kinfo(NamedTuple):
    """One process as the kernel's table has it."""

    pid: int
    parent: int
    group: int
    user: int
    token: str  # start time, seconds.microseconds since 1970
    zombie: bool


def kinfo(raw: bytes, at: int = 0) -> Kinfo | None:
    """The entry that begins at byte `at`, or None when there are too few bytes or it is empty."""
    if len(raw) - at < SIZE:
        return None
    seconds, micros = _START.unpack_from(raw, at)
    pid, parent = _int(raw, at + _PID_AT), _int(raw, at + _FAMILY_AT)
    if pid == 0 and parent == 0 and seconds == 0:
        return None
    group, user = _int(raw, at + _FAMILY_AT + 4), _int(raw, at + _UID_AT)
    return Kinfo(pid, parent, group, user, f"{seconds}.{micros:06d}", raw[at + _STAT_AT] == ZOMBIE)


def _int(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 4], "little", signed=True)


def kinfos(raw: bytes) -> Iterator[Kinfo]:
    """Every entry of a whole table."""
    for at in range(0, len(raw) - SIZE + 1, SIZE):
        entry = kinfo(raw, at)
        if entry is not None:
            yield entry
