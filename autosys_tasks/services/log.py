"""One line of text to standard error, which the supervisor keeps as the service's log. Rotates nothing."""

from __future__ import annotations

import contextlib
import sys
import time

from autosys_tasks.core.clock import utc_text


def say(text: str) -> None:
    """Write `text` as one log line with its time; a closed stream is no reason for a service to fail."""
    line = f"{utc_text(time.time())} {text}\n"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line)
        sys.stderr.flush()


def survive_any_console() -> None:
    """Let a console of any code page show any text, escaped where it has no letter for it; a log is UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")  # type: ignore[union-attr]
