"""The bearer token of a loopback server: a file of mode 0600, made at the first start. Speaks no HTTP."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from autosys_tasks.core.files import read_text, write_atomic
from autosys_tasks.services.log import say
from autosys_tasks.services.paths import private_parent


def read_token(path: Path) -> str:
    """The token kept in `path`, or "" when there is none yet."""
    return (read_text(path) or "").strip()


def keep_token(path: Path) -> str:
    """The token in `path`; made when absent, closed to other users. Raises StateError."""
    token = read_token(path)
    if not token:
        token = os.urandom(32).hex()
        write_atomic(private_parent(path), f"{token}\n", durable=True, mode=0o600)
    _close_to_others(path)
    return token


def _close_to_others(path: Path) -> None:
    """Windows keeps no such bits: there the state folder, inside the user's profile, does the same."""
    open_to_others = hasattr(os, "getuid") and stat.S_IMODE(path.stat().st_mode) & 0o077
    if open_to_others:
        path.chmod(0o600)
        say(f"token file `{path}` was readable by other users; closed now. Delete it to get a new token")


def same_token(sent: str, kept: str) -> bool:
    """Whether both are equal, in a time that does not depend on where they differ; blank never is."""
    from hmac import compare_digest

    return bool(kept) and compare_digest(sent.encode("utf-8", "replace"), kept.encode("utf-8"))
