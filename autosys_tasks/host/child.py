"""A program that is run to its end, and ended as one tree when it takes too long or we are interrupted.

`subprocess.run` ends only the program itself at its deadline: what that had started (ssh, a helper, a shell's command)
would live on.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks import host


class Ended(NamedTuple):
    """How a program ended."""

    code: int
    out: bytes
    err: bytes


class Late(Exception):
    """It did not end in time, and was ended with all it had started."""


def run(
    argv: Sequence[str], folder: Path | str, env: Mapping[str, str], timeout_s: float, *, given: bytes = b"",
    into: Path | None = None, end: Callable[[int], None] = host.end_group,
) -> Ended:  # fmt: skip
    """Run `argv` in `folder` to its end and say how it ended, whatever its exit code.

    `given` is its input; its output goes to the file `into`, if one is named. Raises Late after `timeout_s`, OSError
    when it cannot be started. `end`: ends what takes too long, by its pid.
    """
    flags: dict[str, Any] = host.spawn_flags()
    sink: Any = subprocess.PIPE if into is None else into.open("wb")
    try:
        child = subprocess.Popen(
            argv, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.PIPE, **flags
        )
    finally:
        if into is not None:
            sink.close()
    try:
        out, err = child.communicate(given, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise Late from error
    finally:
        if child.returncode is None:  # too late, or Ctrl-C
            end(child.pid)
            child.communicate()
    return Ended(child.returncode, out or b"", err)
