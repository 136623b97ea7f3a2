"""New and changed scripts: made executable where git does not see it, freed of the downloaded-file mark, checked.

Nothing in here runs a script. What was looked at is known by its content, so that it is looked at once.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.core import globs
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.files import decode, read_file
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.host import child, git
from autosys_tasks.upgrade.discover import NEVER, matching
from autosys_tasks.upgrade.history import SHORT, History, decoded
from autosys_tasks.upgrade.script_text import HERE, SHELLS, Checker, checker, fault, has_shebang, language
from autosys_tasks.upgrade.values import ScriptSeen, digest

HEAD_BYTES = 256
CHECK_S = 20.0
HEAD_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
EXECUTABLE = "100755"
MARK = ":Zone.Identifier"  # the stream in which Windows keeps where a file came from
OURS = " +x"  # behind a digest: it was us who made it executable


class Modes(NamedTuple):
    """What git keeps of who may run what."""

    counted: bool  # core.fileMode: whether a changed mode is a change
    kept: Mapping[str, str]  # path -> 100644 | 100755, as the index has it

    @property
    def used(self) -> bool:
        """Whether this repository keeps a single file executable."""
        return EXECUTABLE in self.kept.values()


class Looked(NamedTuple):
    """Which scripts need what; and what is to be known of them once all of that has ended well."""

    scripts: tuple[ScriptSeen, ...]
    known: Mapping[str, str]
    notes: tuple[str, ...] = ()


def read_heads(root: str, paths: Iterable[str], known: dict[str, bool]) -> None:
    """Note of each file whether it begins with `#!`, where that is not `known` yet.

    Each is opened once: of thousands, that takes longest of all. In one thread: two would wait for one another.
    """
    for path in _own(path for path in paths if path not in known):
        try:
            known[path] = has_shebang(_head(f"{root}/{path}"))
        except OSError:  # it is gone, or a folder, or a link
            known[path] = False


def look(
    root: str, history: History, heads: dict[str, bool], known: Mapping[str, str], wanted: Collection[str], *,
    every: bool = False,
) -> Looked:  # fmt: skip
    """The scripts that came or changed; changes nothing.

    `heads`: what `read_heads` has noted already. `known`: what an earlier look left to be known. `wanted`: globs;
    anything else that begins with `#!` is a script too. `every`: not only what came, but all.
    """
    try:
        return _looked(root, history, heads, known, wanted, every)
    except git.GitError as error:
        return Looked((), {}, (f"scripts were not looked at: {error.message}",))


def _looked(
    root: str, history: History, heads: dict[str, bool], known: Mapping[str, str], wanted: Collection[str], every: bool
) -> Looked:
    found, after, notes = [], dict[str, str](), list[str]()
    modes: Modes | None = None
    candidates = _candidates(root, history, wanted, every)
    read_heads(root, candidates, heads)
    is_named, why_of = globs.compiled(tuple(wanted)).fullmatch, _reasons(history, every)
    for path in [path for path in candidates if heads[path] or is_named(path)]:
        raw, why = _plain(f"{root}/{path}"), why_of(path)
        if raw is None:
            continue
        content, before = digest(raw), known.get(path, "")
        ours = before.endswith(OURS)
        after[path] = content + OURS if ours else content
        if after[path] == before and not every:
            continue
        needs = [("check", why)]
        if path not in history.untracked and not history.silent:
            if _lacks_x(root, path) and has_shebang(raw):
                modes = modes or modes_of(root, history.prefix)
                if reason := _chmod(path, modes, ours or why.startswith("new"), notes):
                    needs.append(("chmod", reason))
                    after[path] = content + OURS
            if _marked(root, path):
                needs.append(("unblock", "Windows has it marked as downloaded"))
        found.append(ScriptSeen(path, tuple(needs)))
    return Looked(tuple(found), after, tuple(notes))


def _candidates(root: str, history: History, wanted: Collection[str], every: bool) -> list[str]:
    """Which files to look at."""
    found = [*history.changed, *history.edited, *history.untracked]  # sorted parts: the whole is sorted in no time
    if every or history.last == "unknown":
        found += _tracked(root) if not history.silent else [each for glob in wanted for each in matching(root, glob)]
    return sorted(dict.fromkeys(_own(found)))


def _own(paths: Iterable[str]) -> Iterator[str]:
    """Those that no folder holds of what others made; of thousands, few folders are to be looked at."""
    known: dict[str, bool] = {}
    for path in paths:
        folder = path.rpartition("/")[0]
        if folder not in known:
            known[folder] = NEVER.isdisjoint(folder.split("/"))
        if known[folder]:
            yield path


def _reasons(history: History, every: bool) -> Callable[[str], str]:
    """Why a file is looked at."""
    changed, untracked = frozenset(history.changed), frozenset(history.untracked)
    span = f"{history.last_commit[:SHORT]}..{history.commit[:SHORT]}"
    of_all = every or history.last == "unknown"

    def why(path: str) -> str:
        if path in changed:
            return f"{'new' if path in history.added else 'changed'} in {span}"
        return "new, as far as is known" if of_all and path not in untracked else "not committed"

    return why


def _tracked(root: str) -> list[str]:
    return decoded(git.must(root, "ls-files", "-z")).split("\0")[:-1]


def _plain(path: str) -> bytes | None:
    """A file's bytes; None when it is gone, or no plain file."""
    try:
        return read_file(path) if stat.S_ISREG(os.lstat(path).st_mode) else None
    except OSError:
        return None


def _head(path: str) -> bytes:
    """A file's first bytes, never of one that a pipe or a device might keep waiting; of thousands, so bare."""
    fd = os.open(path, HEAD_FLAGS)
    try:
        return os.read(fd, HEAD_BYTES)
    finally:
        os.close(fd)


def _lacks_x(root: str, path: str) -> bool:
    return host.PLATFORM != "windows" and not os.lstat(os.path.join(root, path)).st_mode & stat.S_IXUSR


def _marked(root: str, path: str) -> bool:
    return host.PLATFORM == "windows" and os.path.exists(os.path.join(root, path) + MARK)


def modes_of(root: str, prefix: str = "") -> Modes:
    """What git keeps of who may run what in the repository that `root` is the folder `prefix` of."""
    lines = git.must(os.path.join(root, *[".."] * prefix.count("/")), "ls-files", "--stage", "-z").split(b"\0")[:-1]
    kept = {os.fsdecode(path).removeprefix(prefix): os.fsdecode(head[:6]) for head, _, path in map(_halves, lines)}
    return Modes(_counted(root), kept)


def _halves(line: bytes) -> tuple[bytes, bytes, bytes]:
    return line.partition(b"\t")


def _counted(root: str) -> bool:
    return git.ask(root, "config", "--type=bool", "core.fileMode").out.strip() != b"false"


def _chmod(path: str, modes: Modes, new: bool, notes: list[str]) -> str:
    """Why a script that lacks +x is given it; "" when it is not. See docs/decisions/0020."""
    if modes.kept.get(path) == EXECUTABLE or not new:
        return ""  # somebody took it away, or never wanted it
    if not modes.counted:
        return "it begins with `#!` and is not executable; git does not look at modes here"
    if not modes.used:
        return "it begins with `#!` and is not executable; git keeps no file of this repository executable"
    notes.append(
        f"{path} is not executable and stays so: git keeps it that way, and keeps other files executable "
        f"(git update-index --chmod=+x {path}, and commit)"
    )
    return ""


# --- acts -------------------------------------------------------------------------------------------------


def act(root: str, step: Step) -> Outcome:
    """Do one step of a script: chmod, unblock or check; `ok` None = nothing here can check it."""
    began = time.monotonic()
    try:
        ok, detail = ACTS[step.kind](root, step.target)
    except (AutosysError, OSError) as error:
        ok, detail = False, getattr(error, "strerror", "") or str(error)
    return Outcome(step, ok, detail, round((time.monotonic() - began) * 1000))


def _make_executable(root: str, path: str) -> tuple[bool, str]:
    full, said = os.path.join(root, path), "executable"
    if _counted(root):
        git.must(root, "config", "--local", "core.fileMode", "false")  # before: git is to see nothing at any moment
        said += "; core.fileMode of this repository is false from now on, or git would call it changed"
        if _counted(root):
            return False, "core.fileMode is set somewhere else too, and git would call it changed"
    mode = os.stat(full).st_mode
    os.chmod(full, stat.S_IMODE(mode) | (mode & 0o444) >> 2)
    there = bool(os.stat(full).st_mode & stat.S_IXUSR)
    return (True, said) if there else (False, "this file system keeps no such mode")


def _unblock(root: str, path: str) -> tuple[bool, str]:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(root, path) + MARK)
    return True, "the mark is gone"


def _check(root: str, path: str) -> tuple[bool | None, str]:
    with open(os.path.join(root, path), "rb") as file:
        spoken = language(path, file.read(HEAD_BYTES))
    how = checker(spoken)
    if how is None:
        return None, f"not checked: nothing here knows {f'`{spoken}`' if spoken else 'what it is written in'}"
    program = _program(how, root)
    if not program:
        return None, f"not checked: there is no `{how.programs[0]}` here"
    env = {key: value for key, value in os.environ.items() if key not in ("BASH_ENV", "ENV", "NODE_OPTIONS")}
    env |= {"LC_ALL": "C", "AUTOSYS_SCRIPT": f"./{path}"}
    here = f"./{path}"
    arguments = [here if word == HERE else word for word in how.arguments]
    try:
        done = child.run([program, *arguments], root, env, CHECK_S)
    except child.Late:
        return False, f"`{os.path.basename(program)}` did not end within {CHECK_S:g} s"
    if done.code == 0:
        return True, f"{spoken}: no fault"
    return False, fault(decode(done.err or done.out), here)


def _program(how: Checker, root: str) -> str:
    """The first checker that is there; "" = none."""
    if not how.programs:
        return host.own_python()
    return next(_programs(how.programs, root), "")


def _programs(names: Iterable[str], root: str) -> Iterator[str]:
    """Of a shell on Windows the one that comes with git: the other one there knows a Linux of its own and its paths."""
    path = os.environ.get("PATH", "")
    for name in names:
        if host.PLATFORM == "windows" and name in SHELLS:
            beside = os.path.dirname(os.path.dirname(host.program("git", path, root) or ""))
            found = (os.path.join(beside, folder, f"{name}.exe") for folder in ("bin", "usr\\bin"))
            yield from (each for each in found if os.path.isfile(each))
        elif program := host.program(name, path, root):
            yield program


ACTS: Mapping[str, Callable[[str, str], tuple[bool | None, str]]] = {
    "chmod": _make_executable,
    "unblock": _unblock,
    "check": _check,
}
