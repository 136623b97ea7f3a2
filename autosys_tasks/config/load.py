"""Reads autosys.toml, changes nothing: all problems at once, or a valid Config."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autosys_tasks.config.cross_checks import cross_faults
from autosys_tasks.config.lines import key_lines, line_of
from autosys_tasks.config.model import Config
from autosys_tasks.config.resolve import config as resolved
from autosys_tasks.config.shape import Fault, dotted, shaped
from autosys_tasks.config.variables import Scope
from autosys_tasks.core.errors import AutosysError, ConfigError, Problem, StateError

FILE = "autosys.toml"
GONE_S = 3.0  # an editor or a checkout may take it away for a moment; who waits on it ends after so long
LARGEST = 2_000_000  # bytes; tomllib needs quadratic time for some texts

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_SHORT_TIME = re.compile(r"=[ \t]*\d\d:\d\d[ \t]*(?:#.*)?$")


def find_workspace(start: Path, environ: Mapping[str, str]) -> Path:
    """The nearest folder upwards from `start` with an autosys.toml, or the one that AUTOSYS_WORKSPACE names.

    Raises ConfigError when there is none. The path is the real one: a link to a workspace is that workspace.
    """
    named = environ.get("AUTOSYS_WORKSPACE")
    start = Path(os.path.realpath(start))
    if named:
        folder = Path(os.path.realpath(start / named))
        if not (folder / FILE).is_file():
            hint = f"correct or unset AUTOSYS_WORKSPACE, or run `inv init` in {folder}"
            if folder.name == FILE and folder.is_file():
                hint = f"name the folder, and not the file: {folder.parent}"
            raise ConfigError(
                f"AUTOSYS_WORKSPACE names `{named}`, which holds no {FILE}", where=str(folder), hint=hint
            )
        return folder
    for folder in (start, *start.parents):
        if is_declared(folder):
            return folder
    raise ConfigError(f"no {FILE} in `{start}` or above it", where=str(start), hint="inv init")


def is_declared(folder: Path) -> bool:
    """Whether a folder holds an autosys.toml; raises ConfigError when something else there bears that name."""
    path = folder / FILE
    if path.is_file() or not os.path.lexists(path):
        return path.is_file()
    what = "not a file" if path.exists() else "a link that leads nowhere"
    raise ConfigError(f"`{path}` is {what}", where=str(path), hint="mend it, or move it away, then `inv init`")


def load(folder: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The workspace's configuration, valid, with every default filled in.

    Raises ConfigError (with every problem) when the file is missing or broken, StateError when unreadable.
    """
    path = Path(os.path.realpath(folder)) / FILE
    return meant(_decoded(_bytes(path), path), path.parent, environ)


def meant(text: str, folder: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration that this text declares for a workspace (its real path); raises ConfigError."""
    path = folder / FILE
    raw = _parsed(text, path)
    faults: list[Fault] = []
    values = shaped(raw, "", (), faults)
    scope = Scope(str(folder), (os.environ if environ is None else environ,), faults, {}, {})
    found = resolved(raw, values, scope)
    faults += cross_faults(found, _names(raw, "services"), _names(raw, "environments"))
    lines = key_lines(text)
    if faults:
        raise _broken(path, _problems(faults, lines))
    return found._replace(told=scope.told, sources={dotted(key): f"{FILE}:{line}" for key, line in lines.items()})


def _bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(
                f"`{path}` is not a file", where=str(path), hint="move it away, then `inv init`"
            )
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError(f"no {FILE} in `{path.parent}`", where=str(path), hint="inv init") from None
    except OSError as error:
        hint = "make it readable for this user"
        raise StateError(f"cannot read `{path}`: {error.strerror}", where=str(path), hint=hint) from error
    if len(raw) > LARGEST:
        raise _broken(path, [Problem(FILE, f"is larger than {LARGEST // 1_000_000} MB", "declare less")])
    return raw


def _decoded(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        looks = " (it looks like UTF-16)" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        problem = Problem(f"{FILE}:{line}", f"is not UTF-8{looks}", "save it as UTF-8; a BOM is fine")
        raise _broken(path, [problem]) from None


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        problem = Problem(FILE, "nests too deeply", "write less deep lists and tables")
    except ValueError as error:  # TOMLDecodeError, and an integer with thousands of digits
        problem = _syntax_problem(str(error), text)
    raise _broken(path, [problem])


def _syntax_problem(said: str, text: str) -> Problem:
    place, lines = _PLACE.search(said), text.splitlines()
    if place is None:
        return Problem(FILE, f"is not TOML: {said}", _syntax_hint(said, ""))
    line = int(place[1] or len(lines))
    where = f"{FILE}:{line}:{place[2]}" if place[2] else f"{FILE}:{line}"
    message = f"is not TOML: {said[: place.start()]}"
    return Problem(where, message, _syntax_hint(said, lines[line - 1] if 0 < line <= len(lines) else ""))


def _syntax_hint(said: str, line: str) -> str:
    if "Unescaped '\\'" in said:
        return "in double quotes a backslash begins an escape: use '...' or write / in paths"
    if "Cannot declare" in said or "Cannot overwrite" in said:
        return "each table and each key may stand in the file once"
    if _SHORT_TIME.search(line):
        return "a time has seconds in TOML: 03:30:00"
    if line.startswith(("<<<<<<< ", "=======", ">>>>>>> ")):
        return "a merge left a conflict there: keep one side of it, and take its marks away"
    return "text stands in quotes, lists in [ ], tables in { } or below a [header]"


def _names(raw: Mapping[str, Any], table: str) -> tuple[str, ...]:
    found = raw.get(table)
    return tuple(found) if isinstance(found, dict) else ()


def _problems(faults: list[Fault], lines: dict[tuple[str, ...], int]) -> list[Problem]:
    """Faults as a person reads them, in the order of the file."""
    placed = [(line_of(lines, fault.at), fault) for fault in faults]
    placed.sort(key=lambda each: each[0] or 0)
    return [
        Problem(
            f"{dotted(fault.at)} ({FILE}:{line})" if line else dotted(fault.at), fault.message, fault.hint
        )
        for line, fault in placed
    ]


def _broken(path: Path, problems: list[Problem]) -> AutosysError:
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ConfigError(
        f"`{FILE}` has {count}", where=str(path), hint="mend it, then `inv config`", problems=problems
    )
