"""What is written to stdout and stderr, and what happens when they take nothing any more."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from autosys_tasks.tasks.border.workspace import as_typed

if TYPE_CHECKING:
    from autosys_tasks.core.plan import Outcome


def ready_streams(*, keep: bool = True) -> None:
    """No text can break a console: what it cannot show is escaped; without one (pythonw) there is a log.

    `keep` False: nothing may be written, and what would be shown is lost.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _instead_of_a_console() if keep else _nowhere())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _instead_of_a_console() -> Any:
    """The workspace's log of what schedulers run, else the null device."""
    from autosys_tasks.config.load import find_workspace
    from autosys_tasks.core.errors import AutosysError

    with contextlib.suppress(AutosysError, OSError):
        path = find_workspace(Path.cwd(), os.environ) / "outputs" / "logs" / "scheduled.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8", buffering=1)
    return _nowhere()


def put(text: str) -> None:
    """What a task ends with, on stdout: a reader who has left does not change how it ended.

    Raises StateError when it cannot be written (a full disk).
    """
    try:
        print(text, flush=True)
    except OSError as error:
        if not _has_left(error):
            from autosys_tasks.core.files import cannot_write

            raise cannot_write("stdout", error) from error
        unread("stdout")


def put_lines(lines: Iterable[str]) -> None:
    """The same of lines for a person: as they are typed here, and each of them one line."""
    from autosys_tasks.core.printable import printable

    put(as_typed("\n".join(map(printable, lines))))


def say(*lines: str) -> None:
    """Lines for a person, where they cannot spoil a document; what cannot be said stops no work."""
    from autosys_tasks.core.printable import printable

    try:
        # One write: others say theirs at the same moment.
        print("".join(f"{printable(as_typed(line))}\n" for line in lines), end="", file=sys.stderr, flush=True)
    except OSError:
        unread("stderr")


def tell(outcome: Outcome, done: Mapping[str, str] = MappingProxyType({})) -> None:
    """One outcome for a person, when it is there; `done` has the words of its room."""
    from autosys_tasks.core.plan import outcome_line

    say(outcome_line(outcome, done))


def nobody_reads(error: OSError) -> bool:
    """Whether it says that the reader of stdout has left; from then on what is written there is lost."""
    left = _has_left(error)
    if left:
        unread("stdout")
    return left


def is_stuck() -> bool:
    """Whether stdout has something left that it cannot write (a full disk)."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def not_shown(error: OSError) -> int:
    """How a command ends that could not print what Invoke prints: 0 where nobody reads it, else said and 1."""
    if nobody_reads(error):
        return 0
    from autosys_tasks.core.errors import error_lines
    from autosys_tasks.core.files import cannot_write

    unread("stdout")
    say(*error_lines(cannot_write("stdout", error)))
    return 1


def _has_left(error: OSError) -> bool:
    """Whether it says that nobody reads a stream any more; Windows calls that an invalid argument."""
    if isinstance(error, BrokenPipeError):
        return True
    if error.errno != errno.EINVAL:
        return False
    from autosys_tasks import host

    return host.PLATFORM == "windows" and error.filename is None


def unread(name: str) -> None:
    """Nobody reads this stream any more (`| head`): what is still written to it is lost, and hurts nobody."""
    setattr(sys, name, _nowhere())


def _nowhere() -> Any:
    return open(os.devnull, "w", encoding="utf-8")
