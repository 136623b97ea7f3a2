"""What a Windows shortcut says it runs, and where: its bytes as words. Pure; MS-SHLLINK 2."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = bytes.fromhex("4c0000000114020000000000c000000000000046")
ID_LIST, LINK_INFO, NAME, RELATIVE, FOLDER, ARGUMENTS, ICON, UNICODE = (1 << bit for bit in range(8))
VARIABLES = 0xA0000001  # the block with a target as it was typed, `%USERPROFILE%` and all


class Shortcut(NamedTuple):
    """What a shortcut runs; each "" when it does not say."""

    target: str = ""
    arguments: str = ""
    folder: str = ""
    relative: str = ""  # the target, seen from the shortcut's own folder


def parsed(data: bytes, encoding: str) -> Shortcut:
    """The shortcut in these bytes; `encoding` is the system's own, for what is not Unicode. Raises ValueError."""
    if not data.startswith(HEADER):
        raise ValueError("this is no shortcut")
    try:
        return _parsed(data, encoding)
    except (struct.error, IndexError) as error:
        raise ValueError(f"a shortcut that ends too early: {error}") from error


def _parsed(data: bytes, encoding: str) -> Shortcut:
    (flags,), at, target = struct.unpack_from("<I", data, 20), 76, ""
    if flags & ID_LIST:
        at += 2 + struct.unpack_from("<H", data, at)[0]
    if flags & LINK_INFO:
        size = struct.unpack_from("<I", data, at)[0]
        target, at = _local_path(data[at : at + size], encoding), at + size
    texts = {}
    for flag in (NAME, RELATIVE, FOLDER, ARGUMENTS, ICON):
        if flags & flag and at + 2 <= len(data):  # Windows opens one that ends early too
            length = struct.unpack_from("<H", data, at)[0] * (2 if flags & UNICODE else 1)
            texts[flag] = data[at + 2 : at + 2 + length].decode("utf-16-le" if flags & UNICODE else encoding, "replace")
            at += 2 + length
    typed = next((block for kind, block in _blocks(data, at) if kind == VARIABLES), b"")
    target = _ended(typed[260:], "utf-16-le") or target
    return Shortcut(target, texts.get(ARGUMENTS, ""), texts.get(FOLDER, ""), texts.get(RELATIVE, ""))


def _local_path(info: bytes, encoding: str) -> str:
    """The target on a drive of this machine: two parts, in Unicode where the system's own encoding has no such path."""
    _size, header, flags, _volume, base, _net, rest = struct.unpack_from("<7I", info)
    if not flags & 1:
        return ""
    if header >= 0x24:
        base_unicode, rest_unicode = struct.unpack_from("<2I", info, 28)
        return _ended(info[base_unicode:], "utf-16-le") + _ended(info[rest_unicode:], "utf-16-le")
    return _ended(info[base:], encoding) + _ended(info[rest:], encoding)


def _ended(raw: bytes, encoding: str) -> str:
    """The text up to its null."""
    if encoding == "utf-16-le":
        return raw[: len(raw) & ~1].decode(encoding, "replace").partition("\0")[0]
    return raw.partition(b"\0")[0].decode(encoding, "replace")


def _blocks(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 8 <= len(data):
        size, kind = struct.unpack_from("<2I", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size
