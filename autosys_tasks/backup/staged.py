"""Makes copies in the staging folder of what cannot be read in place: databases in use, and the state of git."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup import sqlite_copy
from autosys_tasks.backup.read import read_steadily
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import LARGEST, looks_secret, with_secret
from autosys_tasks.backup.values import FILE, FOLDER, GIT, SECRET, SQLITE, Failed, Found
from autosys_tasks.backup.walk import reason
from autosys_tasks.core.files import long_path

UNTRACKED_MAX = 100_000_000  # bytes of one untracked file; larger ones are named, and need a set
LACKING = f"{GIT}/"  # path of a failure that concerns a part of the repository; GIT: all of it


class Staged(NamedTuple):
    """Copies, failures, notes, and a summary in one line."""

    found: tuple[Found, ...] = ()
    failed: tuple[Failed, ...] = ()
    notes: tuple[str, ...] = ()
    summary: str = ""


def copy_databases(
    found: Iterable[Found], staging: Path, retries: RetryBudget, is_required: Callable[[Found], bool], *,
    apart: bool = False,
) -> tuple[dict[str, Found], list[Failed]]:  # fmt: skip
    """Copy each SQLite database as of one moment, its journals included; the copies by path, and failures."""
    copies, failed = dict[str, Found](), []
    bases = [one for one in found if sqlite_copy.is_sqlite(one.source, one.size)]
    for number, one in enumerate(bases):
        target = Path(long_path(str(staging / "sqlite"))) / f"{number}.db"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            stamp, mtime_ns = sqlite_copy.stamp_of(one.source)  # before the copy: what comes later is seen next time
            sqlite_copy.copy(one.source, target, retries, apart=apart)
        except OSError as error:
            why = f"{reason(error)}; it is kept as it lies there"
            failed.append(Failed(one.path, why, is_required(one)))
            continue
        size, flags = target.stat().st_size, (*one.flags, SQLITE)
        copies[one.path] = one._replace(source=str(target), size=size, mtime_ns=mtime_ns, stamp=stamp, flags=flags)
    return copies, failed


def capture_git(root: str, own: Iterable[str], staging: Path) -> Staged:
    """Capture the state of the workspace's repository; its files are below `.autosys/git`."""
    from autosys_tasks.backup.git.capture import capture
    from autosys_tasks.host import git

    into = staging / "git"
    try:
        captured = capture(
            Path(root),
            into,
            untracked_max=UNTRACKED_MAX,
            exclude=tuple(own),
            is_secret=lambda top, path: looks_secret(path) or holds_secret_text(os.path.join(top, path)),
        )
    except (git.GitError, OSError) as error:
        if not git.above(root):
            return Staged(summary="no git repository here")  # nor, perhaps, a git
        hint = error.hint if isinstance(error, git.GitError) else ""
        return Staged(failed=(Failed(GIT, f"{error}; {hint}" if hint else str(error)),), summary="not captured")
    failed = tuple(Failed(LACKING, why) for why in captured.partial)
    notes = tuple(f"git: {why}" for why in (*captured.notes, *captured.left_out))
    found = tuple(_captured(into, set(captured.secrets))) if captured.there else ()
    return Staged(found, failed, notes, captured.summary)


def holds_secret_text(source: str) -> bool:
    """Whether a small file's text holds a secret; False when it cannot be read, which packing will report."""
    try:
        size = os.lstat(source).st_size
        if not 0 < size <= LARGEST:
            return False
        text = read_steadily(Found(source, source, FILE, size, 0, 0), lambda stream: stream.read(), RetryBudget(0))
    except OSError:
        return False
    return bool(with_secret((), text))


def _captured(into: Path, secrets: set[str]) -> Iterable[Found]:
    """Every file that was captured, with the folders."""
    for folder, _, names in os.walk(into):
        inside = Path(folder).relative_to(into).as_posix()
        above = GIT if inside == "." else f"{GIT}/{inside}"
        yield _thing(folder, above, FOLDER, ())
        for name in names:
            path = f"{above}/{name}"
            flags = (SECRET,) if not secrets.isdisjoint(_named(path)) or looks_secret(path) else ()
            yield _thing(os.path.join(folder, name), path, FILE, flags)


def _named(path: str) -> tuple[str, str]:
    """A captured file's path in the work tree, and in the capture's folder."""
    inside = path.removeprefix(f"{GIT}/")
    return inside.removeprefix("files/"), inside


def _thing(source: str, path: str, kind: str, flags: tuple[str, ...]) -> Found:
    status = os.lstat(source)
    size = status.st_size if kind == FILE else 0
    mode = 0o700 if kind == FOLDER else 0o600
    return Found(path, long_path(os.path.abspath(source)), kind, size, status.st_mtime_ns, mode, flags=flags)
