"""The frame around a service's main function: console, errors for a person, exit code. Knows no service."""

from __future__ import annotations

import os
from collections.abc import Callable

from autosys_tasks.core.errors import AutosysError
from autosys_tasks.services.log import say, survive_any_console


def run(name: str, main: Callable[[], int]) -> int:
    """`main()`'s exit code; an error meant for a person becomes one line and its promised code."""
    survive_any_console()
    try:
        return main()
    except AutosysError as error:
        say(f"{name}: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        return error.code


def keep_files_private() -> None:
    """Let files made from now on (databases, their logs) be readable by this user alone."""
    os.umask(0o077)
