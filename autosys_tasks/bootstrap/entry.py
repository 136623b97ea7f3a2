"""From `python tasks.py TASK...` to `inv TASK...`: sees that .venv is right and becomes that process."""

from __future__ import annotations

import os
import sys

from .stamp import EXTRAS, quiet_flags, ready, script

TYPE_CHECKING = False  # `typing` costs more than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(here: str, args: Sequence[str]) -> int:
    """Make `here`/.venv right unless it is, then become `inv ARGS`; returns the exit code when it fails."""
    extras = {EXTRAS[arg] for arg in args if arg in EXTRAS}
    if not ready(here, extras):
        from .build import prepared

        code = prepared(here, extras)
        if code:
            return code
    return become_inv(here, args)


def become_inv(here: str, args: Sequence[str]) -> int:
    """Become `inv ARGS`; returns its exit code where one process cannot be replaced by another."""
    if called_from_elsewhere(here):
        os.environ.setdefault("AUTOSYS_WORKSPACE", here)
    argv = inv_argv(here, args)
    if sys.platform == "win32":
        return inv_as_child(argv)
    os.execv(argv[0], argv)


def inv_argv(here: str, args: Sequence[str]) -> list[str]:
    """`inv ARGS` of the environment, finding the tasks.py in `here` from any folder."""
    # Its own first line is not asked: a path with a blank, or a long one, takes a shell to get through it.
    start = (
        [script(here, "inv")] if sys.platform == "win32" else [script(here, "python"), script(here, "inv")]
    )
    return [*start, "--search-root", here, *args]


def called_from_elsewhere(here: str) -> bool:
    """Whether the person stands outside of the workspace and named it by the path of its tasks.py."""
    inside = f"{os.path.realpath(os.curdir)}{os.sep}".startswith(f"{os.path.realpath(here)}{os.sep}")
    return not inside and os.path.exists(os.path.join(here, "autosys.toml"))


def inv_as_child(argv: list[str]) -> int:
    """Run `inv` and return its exit code. Ctrl-C reaches it too, and its answer is the one that counts."""
    import signal
    import subprocess

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(argv, creationflags=quiet_flags())
