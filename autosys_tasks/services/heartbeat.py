"""Touches the file named by AUTOSYS_HEARTBEAT: proof that the caller's loop still turns. Starts no thread."""

from __future__ import annotations

import os
from pathlib import Path

from autosys_tasks.services.log import say

_complained: set[str] = set()


def beat() -> None:
    """Set the heartbeat file's time to now, making it when absent; nothing without AUTOSYS_HEARTBEAT.

    To be called by the loop that does the work, never by a thread beside it: a hung loop must fall silent.
    """
    path = os.environ.get("AUTOSYS_HEARTBEAT")
    if not path:
        return
    try:
        _touch(Path(path))
    except OSError as error:
        _complain_once(path, error)


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _complain_once(path: str, error: OSError) -> None:
    if path not in _complained:
        _complained.add(path)
        say(f"cannot touch the heartbeat `{path}`: {error.strerror or error}")
