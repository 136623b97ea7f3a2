"""Who runs from a folder, as the system's own table of processes says; asked only where one is to be removed."""

from __future__ import annotations

import os
from collections.abc import Collection


def users(folders: Collection[str]) -> dict[str, int]:
    """A pid for each folder that a process runs from: its program, a word of its command, or where it stands.

    A process that came through a link to the folder is no user: what it still needs it loads through that link, from
    wherever that leads by then.
    """
    if not folders:
        return {}
    import psutil

    homes = [(_below(home), folder) for folder in folders for home in {folder, os.path.realpath(folder)}]
    found: dict[str, int] = {}
    for process in psutil.process_iter(["exe", "cwd", "cmdline"]):
        seen = process.info  # None = not ours to see
        words = [_below(word) for word in (seen["exe"], seen["cwd"], *(seen["cmdline"] or ())) if word]
        for home, folder in homes:
            if any(word.startswith(home) for word in words):
                found.setdefault(folder, process.pid)
    return found


def _below(path: str) -> str:
    return os.path.normcase(path).rstrip(os.sep) + os.sep
