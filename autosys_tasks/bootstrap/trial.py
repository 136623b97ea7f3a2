"""Imports the whole package of a folder and the tasks.py beside it, in a process of its own: 1 when that fails.

What is about another system is only read: no machine can import all of it.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE, ENTRY = "autosys_tasks", "tasks.py"
OURS = "trial.py"  # who tries is not who breaks
ONLY_READ = (f"{PACKAGE}.host.",)  # `host` itself imports what is about this system


def main(root: str) -> int:
    """0, or 1 after a line of JSON with `why`, `file` and `line`."""
    package = os.path.join(root, PACKAGE)
    try:
        sys.path.insert(0, root)
        importlib.import_module(PACKAGE)
        del sys.path[0]
        for name, path in _modules(package):
            with open(path, "rb") as file:
                source = file.read()
            if name.startswith(ONLY_READ) or name.endswith("__main__"):
                compile(source, path, "exec", dont_inherit=True)
            else:
                importlib.import_module(name)
        if os.path.exists(os.path.join(root, ENTRY)):
            sys.path.insert(0, root)  # as Invoke has it
            runpy.run_path(os.path.join(root, ENTRY), run_name="tasks")
    except BaseException as error:  # noqa: BLE001 (this is what it is for)
        file_of, line = place_of(error, root)
        said = {"why": f"{type(error).__name__}: {_plain(error)}", "file": file_of, "line": line}
        sys.stdout.write(f"{json.dumps(said)}\n")
        return 1
    return 0


def _modules(package: str) -> Iterator[tuple[str, str]]:
    for base, folders, files in os.walk(package):
        folders[:] = sorted(folder for folder in folders if folder != "__pycache__")
        for name in sorted(files):
            if name.endswith(".py"):
                path = os.path.join(base, name)
                parts = os.path.relpath(path, os.path.dirname(package))[:-3].split(os.sep)
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _plain(error: BaseException) -> str:
    return str(error.msg) if isinstance(error, SyntaxError) else str(error)


def place_of(error: BaseException, root: str) -> tuple[str, int]:
    """(file seen from the root, line) where it went wrong in the package or tasks.py; ("", 0) when elsewhere."""
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if missing and missing.partition(".")[0] == PACKAGE:  # a file of ours is gone: that is what somebody changed
        return f"{missing.replace('.', '/')}.py", 0
    places = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    places = [(path, line) for path, line in places if os.path.basename(path) != OURS]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno or 0))
    package, entry = (os.path.realpath(os.path.join(root, each)) for each in (PACKAGE, ENTRY))
    places = [(os.path.realpath(path), line) for path, line in places]
    inside = [each for each in places if each[0] == entry or each[0].startswith(package + os.sep)]
    if not inside:
        return "", 0
    path, line = inside[-1]
    return os.path.relpath(path, os.path.realpath(root)).replace(os.sep, "/"), line
