"""Writes the editor's file: one copy of it kept first, then the new text, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.core.errors import Busy, ConfigError, NotSo, Problem
from autosys_tasks.core.files import cannot_write, make_folder, remove_unfinished_of, retry_while_held, write_atomic
from autosys_tasks.core.plan import Outcome
from autosys_tasks.supervise.house import House
from autosys_tasks.vscode import plan
from autosys_tasks.vscode.block_text import Unsafe
from autosys_tasks.vscode.jsonc_text import Broken
from autosys_tasks.vscode.look import kept_copy, look
from autosys_tasks.vscode.values import FILE, Change, Facts

DONE = {
    "create": "written, with our block alone",
    "insert": "our block is in, first in `tasks`",
    "renew": "our block is as this version writes it",
    "take-out": "our block is out, the rest as it was",
    "delete": "deleted",
}
TURN_S = 2.0  # to write a small file takes milliseconds


def planned_sync(house: House) -> Change:
    """What a sync would write now; raises ConfigError for a file that does not parse."""
    return _planned(house, plan.sync)


def planned_remove(house: House) -> Change:
    """What a removal would write now; raises ConfigError for a file that does not parse."""
    return _planned(house, plan.remove)


def _planned(house: House, make: Callable[[Facts], Change]) -> Change:
    facts = look(house)
    try:
        return make(facts)
    except Broken as broken:
        where = f"{FILE}:{broken.line}:{broken.column}"
        kept = f", or take back what was kept before our last change: {facts.backup}" if facts.backup else ""
        hint = f"correct line {broken.line}{kept}; nothing was written"
        problem = Problem(where, broken.message)
        raise ConfigError(f"{FILE} does not parse", where=where, hint=hint, problems=[problem]) from broken
    except Unsafe as unsafe:
        raise NotSo(f"{FILE}: {unsafe}", where=facts.path, hint="nothing was written") from unsafe


def carry_out(house: House, make: Callable[[], Change]) -> tuple[Change, list[Outcome]]:
    """Plan under the lock, then write; raises Busy when another run does the same."""
    with _alone(house):
        remove_unfinished_of(os.path.realpath(Path(house.config.path, FILE)), host.identity)
        change = make()
        began = time.perf_counter()
        done = [Outcome(step, *_write(house, change, step.kind)) for step in change.plan.steps]
        ms = round((time.perf_counter() - began) * 1000)
    return change, [outcome._replace(ms=ms) for outcome in done]


@contextlib.contextmanager
def _alone(house: House) -> Iterator[None]:
    folder = make_folder(kept_copy(house).parent)
    try:
        lock = host.take_lock(str(folder / "lock"), wait_s=TURN_S)
    except OSError as error:
        raise cannot_write(folder / "lock", error) from error
    if lock is None:
        raise Busy(f"another run writes {FILE}", hint="wait for it, and run the same command again")
    try:
        yield
    finally:
        lock.release()


def _write(house: House, change: Change, kind: str) -> tuple[bool, str]:
    now = look(house)
    path = Path(os.path.realpath(now.path))  # a link stays a link
    if now.text != change.before:
        return False, "somebody saved the file meanwhile; run the same command again"
    if change.before is not None:
        write_atomic(kept_copy(house), change.before, mode=0o600)
    if change.after is None:
        _delete(path)
    else:
        _replace(path, change.after)
    return True, DONE[kind]


def _replace(path: Path, text: str) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text, mode=mode)
    except OSError as error:
        raise cannot_write(path, error) from error


def _delete(path: Path) -> None:
    try:
        retry_while_held(path.unlink)
    except OSError as error:
        raise cannot_write(path, error) from error
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # which only succeeds for an empty one
