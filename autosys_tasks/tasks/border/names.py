"""Names of files are UTF-8, whatever a locale takes them for: the same ones in each, and in every archive."""

from __future__ import annotations

import os
import sys

CONSOLE = "autosys-console"  # the encoding of the console, as an option of the interpreter: no child inherits it


def read_as_utf8() -> None:
    """Begin this process anew in Python's UTF-8 mode where a locale would read names as something else.

    `LC_ALL=C` has that mode by itself, unless PYTHONUTF8=0 forbids it. The console keeps its encoding. What UTF-8 mode
    does not change stays as it is: PYTHONLEGACYWINDOWSFSENCODING on Windows.
    """
    if sys.getfilesystemencoding() != "utf-8" and not os.environ.get("PYTHONLEGACYWINDOWSFSENCODING"):
        console = getattr(sys.stdout, "encoding", None) or "ascii"
        options = ["-X", "utf8", "-X", f"{CONSOLE}={console}"]
        os.execv(sys.executable, [sys.executable, *options, *sys.orig_argv[1:]])
    if encoding := sys._xoptions.get(CONSOLE):
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding=encoding, errors="backslashreplace")
