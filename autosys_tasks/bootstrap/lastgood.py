"""The last version of this package that worked: kept as a copy, and run while the one that a pull brought does not.

Only where the package is somebody's working tree (a workspace with its own, an editable install): what an installer
put in place, no pull changes. In the state folder: last-good/<digest of the files>/autosys_tasks is a copy, good.json
says which one is the last good, and as what the tree was seen then; tried.json what was found of the tree since.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NamedTuple

from . import blame
from .place import state_folder
from .rescue import no_way
from .stamp import quiet_flags
from .tree import ENTRY, FOLDER, HERE, PACKAGE, at_risk, copied, is_copy, read, seen, source, sweep, write, write_text

TRIAL, TRIAL_S = "AUTOSYS_TRIAL", 120.0  # the variable keeps a trial from trying in its turn
# From exactly that folder, whatever else lies in it or is installed: `python -c LOAD... ROOT ...`, then the package.
LOAD = f"import sys;sys.path.insert(0,sys.argv.pop(1));import {PACKAGE};del sys.path[0];"
TRY = (
    "import sys;sys.path.insert(0,sys.argv[1]);from bootstrap.trial import main;del sys.path[0];"
    "sys.exit(main(sys.argv[2]))"
)

STARTER = """\
# Starts autosys for a workspace: today's version, or the last good one. Made by `inv schedule.register`.
import json, os, sys

sys.dont_write_bytecode = False
good = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "last-good")
try:
    with open(os.path.join(good, "good.json"), encoding="utf-8") as file:
        root = os.path.join(good, json.load(file)["copy"])
except (OSError, ValueError, KeyError):
    root = ""
if os.path.isdir(root):
    sys.path.insert(0, root)
    from autosys_tasks.bootstrap import lastgood
    del sys.path[0]
    ns = lastgood.from_copy()
else:
    sys.path.insert(0, {root!a})
    from autosys_tasks import ns
"""

_began: list[str] = []  # as what the tree was seen when this process began


class Broken(NamedTuple):
    """Why the package in `root` cannot be used, and where; `file` is seen from there, "" when no file is to blame."""

    root: str
    why: str
    file: str = ""
    line: int = 0
    good: str = ""  # the commit of the last good one, "" when there is none

    def lines(self) -> list[str]:
        """For a person: what broke, which commit did it, what to type."""
        found = blame.blame(self.root, self.file, self.good)
        where = f"{self.file}, line {self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return [f"{where}{self.why}", found.said, f"-> {found.back}"]


# --- which one runs ---------------------------------------------------------------------------------------


def chosen() -> Any:
    """The table of tasks: of today's package, or of the last good one when today's does not work."""
    root, state = os.path.dirname(HERE), ""
    if at_risk(root) and not is_copy() and TRIAL not in os.environ:
        now = begin()
        state = state_folder()
        broken = verdict(state, now) if state else None
        copy = good_copy(state)
        if broken and copy:
            _say(broken)
            return _of(copy)
    try:
        return _of("")
    except Exception as error:
        if not at_risk(root) or TRIAL in os.environ:
            raise
        raise SystemExit(no_way(error, root, _commit(state))) from error


def instead(error: Exception) -> Any:
    """The table of the last good version, for a tasks.py whose package did not even begin; ends where there is none."""
    state = state_folder()
    copy = good_copy(state) if state else ""
    if not copy:
        raise SystemExit(no_way(error, source(), _commit(state))) from error
    _say(told_of(error, state))
    return _of(copy)


def from_copy() -> Any:
    """The same, asked of a copy by what the scheduler starts: not one line of what a pull brought has run by then."""
    broken = verdict(os.path.dirname(os.path.dirname(os.path.dirname(HERE))))
    if broken:
        _say(broken)
    return _of("" if broken else source())


def _of(root: str) -> Any:
    """The table of the package in `root`, which takes the place of this one; of this one when none is named."""
    from importlib import import_module

    if not root:
        return import_module(f"{PACKAGE}.tasks.table").ns
    for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.path.insert(0, root)
    try:
        import_module(f"{PACKAGE}.bootstrap.lastgood").begin()
        return import_module(f"{PACKAGE}.tasks.table").ns
    finally:
        sys.path.remove(root)


def _say(broken: Broken) -> None:
    try:
        sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        lines = ["autosys: this version is broken, the last good one runs instead", *broken.lines()]
        sys.stderr.write("\n  ".join(lines) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # nobody reads it (pythonw has no streams)


def told_of(error: BaseException, state: str = "") -> Broken:
    """An error that came out of this package, as what is broken."""
    from .trial import place_of

    root = source()
    file, line = place_of(error, root)
    return Broken(root, f"{type(error).__name__}: {error}", file, line, _commit(state))


# --- what is known of it ----------------------------------------------------------------------------------


def begin() -> str:
    """Remember as what the tree is seen when this process begins, and say it: only what was there from beginning to
    end can be called good."""
    if not _began:
        _began.append(seen(source()))
    return _began[0]


def verdict(state: str, now: str = "") -> Broken | None:
    """What is wrong with the package in its tree, None when nothing is; tried in a process of its own where the tree
    is not as it was when it was last found good, or broken. `now`: as what it is seen, when that is known."""
    root, folder = source(), os.path.join(state, FOLDER)
    good, now = _good(state), now or seen(root)
    if not good or good.get("seen") == now:
        return None
    tried = read(os.path.join(folder, "tried.json"))
    if tried.get("seen") != now:
        tried = {"seen": now, **(_lost(root, good) or _tried(root))}
        if not {"--dry-run", "--dry"} & set(sys.argv):
            write(os.path.join(folder, "tried.json"), tried)
    if not tried.get("why"):
        return None
    return Broken(root, tried["why"], tried.get("file", ""), tried.get("line", 0), good.get("commit", ""))


def _lost(root: str, good: dict[str, Any]) -> dict[str, Any]:
    """Why nobody can type `inv` any more, where the last good version still had a tasks.py; else {}."""
    if not good.get("entry") or os.path.exists(os.path.join(root, ENTRY)):
        return {}
    return {"why": "it is gone, and without it `inv` finds no task", "file": ENTRY}


def _tried(root: str) -> dict[str, Any]:
    """{} when the whole package can be imported, else why not; what cannot be tried is not called broken."""
    import subprocess

    argv = [sys.executable, "-P", "-X", "utf8", "-c", TRY, HERE, root]
    try:
        done = subprocess.run(
            argv, env={**os.environ, TRIAL: "1"}, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL_S,
            check=False, creationflags=quiet_flags(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"why": f"importing it did not end within {TRIAL_S:g} s"}
    except OSError:
        return {}
    if done.returncode == 0:
        return {}
    text = done.stdout.decode("utf-8", "replace").strip()
    try:
        return dict(json.loads(text.splitlines()[-1]))
    except (ValueError, IndexError):
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return {"why": last[0] if last else f"importing it ended with {done.returncode}"}


def successor(state: str) -> str:
    """The folder whose package should run instead of this one, "" when this one is right."""
    root = source()
    if not at_risk(root) or (not is_copy() and _began == [seen(root)]):
        return ""
    if verdict(state) is None:
        return root if os.path.isdir(os.path.join(root, PACKAGE)) else ""
    return "" if is_copy() else good_copy(state)


# --- keeping ----------------------------------------------------------------------------------------------


def keep(state: str) -> None:
    """After what ended well: have a copy of this package, when there is none of it yet. Never fails its caller."""
    root, folder = source(), os.path.join(state, FOLDER)
    if is_copy() or not at_risk(root) or _began != [seen(root)]:
        return
    good = _good(state)
    if good.get("seen") == _began[0] and good_copy(state):
        return
    try:
        copy = copied(root, folder)
        if seen(root) == _began[0]:
            known = {
                "seen": _began[0], "copy": os.path.basename(copy), "commit": blame.head(root), "root": root,
                "entry": os.path.exists(os.path.join(root, ENTRY)),
            }  # fmt: skip
            write(os.path.join(folder, "good.json"), known)
            sweep(folder, copy)
    except OSError:
        pass  # the one before stays the last good one


def write_starter(state: str) -> None:
    """Have a starter for the system's schedules, where a pull may change the package: it lies out of reach of that."""
    if at_risk(source()):
        begin()
        keep(state)
        write_text(os.path.join(starter(state), "tasks.py"), STARTER.format(root=source()))


def starter(state: str) -> str:
    """The folder of the starter, whether it is there or not."""
    return os.path.join(state, "start")


def good_copy(state: str) -> str:
    """The folder of the last good copy, "" when there is none."""
    name = str(_good(state).get("copy", ""))
    copy = os.path.join(state, FOLDER, name)
    return copy if name and os.path.isfile(os.path.join(copy, PACKAGE, "__init__.py")) else ""


def _commit(state: str) -> str:
    """The commit of the last good one, "" when that is not known."""
    return str(_good(state).get("commit", "")) if state else ""


def _good(state: str) -> dict[str, Any]:
    """What is known of the last good one; one of another tree is none of ours."""
    good = read(os.path.join(state, FOLDER, "good.json"))
    return good if good.get("root") == source() else {}
