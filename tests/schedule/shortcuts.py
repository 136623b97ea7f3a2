"""Writes Windows shortcuts as Windows does, since nothing else here can."""

from __future__ import annotations

import struct

from autosys_tasks.schedule import lnk_text


def shortcut(
    target: str = "", arguments: str = "", folder: str = "", *, relative: str = "", typed: str = "",
    encoding: str = "", padding: bytes = b"",
) -> bytes:  # fmt: skip
    """A shortcut's bytes. `encoding`: the target in a code page, and not in Unicode; `typed`: with variables in it."""
    flags = lnk_text.UNICODE | (lnk_text.LINK_INFO if target else 0) | (lnk_text.ID_LIST if padding else 0)
    texts = ((lnk_text.RELATIVE, relative), (lnk_text.FOLDER, folder), (lnk_text.ARGUMENTS, arguments))
    flags |= sum(flag for flag, text in texts if text)
    parts = [lnk_text.HEADER, struct.pack("<I", flags), bytes(52)]
    parts += [struct.pack("<H", len(padding)), padding] if padding else []
    parts += [_link_info(target, encoding)] if target else []
    parts += [struct.pack("<H", len(text)) + text.encode("utf-16-le") for _flag, text in texts if text]
    if typed:
        block = typed.encode("ascii", "replace").ljust(260, b"\0") + typed.encode("utf-16-le").ljust(520, b"\0")
        parts.append(struct.pack("<2I", 8 + len(block), lnk_text.VARIABLES) + block)
    return b"".join([*parts, bytes(4)])


def _link_info(target: str, encoding: str) -> bytes:
    """Two parts of a path, as Windows cuts it for a folder of the user: `C:\\Users\\` and the rest."""
    cut = target.index("\\") + 1
    volume = struct.pack("<4I", 17, 3, 0, 16) + b"\0"
    if encoding:
        header, base, rest = 28, target[:cut].encode(encoding) + b"\0", target[cut:].encode(encoding) + b"\0"
        at = header + len(volume)
        head = struct.pack("<6I", header, 1, header, at, 0, at + len(base))
        body = volume + base + rest
    else:
        header, base = 36, (target[:cut] + "\0").encode("utf-16-le")
        rest, at = (target[cut:] + "\0").encode("utf-16-le"), header + len(volume) + 2
        head = struct.pack("<8I", header, 1, header, at - 2, 0, at - 1, at, at + len(base))
        body = volume + b"\0\0" + base + rest
    return struct.pack("<I", 4 + len(head) + len(body)) + head + body
