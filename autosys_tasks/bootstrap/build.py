"""Makes or repairs .venv, one run at a time, and says what it does; never trusts what was left half done."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from .stamp import EXTRAS, answers, facts, read_stamp, ready, script, sound, venv, write_stamp
from .steps import Trouble, held_lock, run_step, say

OLD = ".venv.tmp-old"
INV_RUNS = ("-m", "invoke", "--version")


def prepared(here: str, extras: set[str]) -> int:
    """Make .venv right and return 0, or say why not and what to do, and return the exit code."""
    try:
        with held_lock(Path(here, "tasks.py")):
            if not ready(here, extras):  # else the run that we waited for did it
                prepare(here, extras)
    except Trouble as trouble:
        say(str(trouble))
        return 1
    except OSError as error:
        say(f"cannot prepare .venv: {error.strerror or error}: {error.filename or here}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130
    return 0


def prepare(here: str, extras: set[str]) -> None:
    """Repair .venv where it is, or build it anew; extras that were in it will be in it. Raises Trouble."""
    state, _ = read_stamp(here)
    wanted = sorted(extras | set(state[1:]) & set(EXTRAS.values()))
    if sound(here):
        repair(here, wanted)
    else:
        rebuild(here, wanted)
    write_stamp(here, ["ready", *wanted], facts(here))
    remove(Path(here, OLD))


def repair(here: str, extras: list[str]) -> None:
    """Install into the .venv that is there; after an interrupted install nothing counts as installed."""
    state, known = read_stamp(here)
    interrupted = state[:1] == ["updating"]
    write_stamp(here, ["updating", *extras])
    try:
        install(here, extras, all_again=interrupted)
    except Trouble:
        if not interrupted:
            write_stamp(here, state, known)  # pip and uv change nothing when they end with an error
        raise
    if not (answers(here, *INV_RUNS) and os.path.exists(script(here, "inv"))):
        install(here, extras, all_again=True)
        look_whether_it_runs(here)


def rebuild(here: str, extras: list[str]) -> None:
    """Build .venv in its place (its scripts hold its path); the old one is set aside until all is done."""
    old = Path(here, OLD)
    remove(old)
    if os.path.lexists(venv(here)):
        say("this .venv is of no use (half-made, moved, or its Python is gone): building it anew")
        set_aside(Path(venv(here)), old)
    try:
        create(here)
        write_stamp(here, ["making", *extras])
        install(here, extras)
        look_whether_it_runs(here)
    except (Trouble, OSError):
        remove(Path(venv(here)))
        if os.path.lexists(old):
            old.replace(venv(here))
        raise


def set_aside(folder: Path, old: Path) -> None:
    """Move the useless .venv away; raises Trouble when something runs from it, on Windows."""
    try:
        folder.replace(old)
    except PermissionError as error:
        hint = "end what runs from it, then type the same command again"
        raise Trouble(f"cannot move {folder}: {error.strerror}\n  {hint}") from error


def create(here: str) -> None:
    """An empty .venv of the interpreter that runs this; raises Trouble where that one cannot."""
    python = getattr(sys, "_base_executable", None) or sys.executable
    lacking = next((name for name in ("venv", "ensurepip") if find_spec(name) is None), "")
    if lacking and not uv():
        raise Trouble(no_venv_text(lacking))
    with_uv = [uv(), "venv", "--quiet", "--python", python]
    argv = with_uv if lacking == "venv" else [python, "-m", "venv", "--without-pip"]
    run_step(here, f"making .venv with Python {sys.version.split()[0]}", [*argv, venv(here)])


def no_venv_text(lacking: str) -> str:
    """Debian keeps `ensurepip` in a package of its own: what a person types then."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sudo = "sudo " if getattr(os, "geteuid", lambda: 1)() else ""
    cure = (
        f"type: {sudo}apt install python{version}-venv"
        if shutil.which("apt")
        else "install a whole Python, or uv"
    )
    return (
        f"this Python ({sys.executable}, {version}) cannot make a .venv: it lacks the module `{lacking}`\n"
        f"  {cure}\n  then the same command again"
    )


def install(here: str, extras: list[str], *, all_again: bool = False) -> None:
    """The project, editable, and what it and `extras` need, by uv or pip as those are set up; or Trouble."""
    target = f".[{','.join(extras)}]" if extras else "."
    what = " ".join(["installing autosys", *(f"and what `{extra}` needs" for extra in extras)])
    if not (uv() and installed_with_uv(here, what, target, all_again)):
        install_with_pip(here, what, target, all_again)
    if not here.isascii():
        readable_paths(venv(here))


def installed_with_uv(here: str, what: str, target: str, all_again: bool) -> bool:
    """Whether uv did it; pip, with an index and certificates of its own, may still where uv could not."""
    again = ["--reinstall"] if all_again else []
    argv = [uv(), "pip", "install", "--python", script(here, "python"), *again, "-e", target]
    try:
        run_step(here, f"{what} (uv)", argv)
    except Trouble as trouble:
        if find_spec("ensurepip") is None:
            raise
        say(f"{trouble}\n  trying pip instead")
        return False
    return True


def install_with_pip(here: str, what: str, target: str, all_again: bool) -> None:
    """Give the environment a pip if it has none that runs, and let that install; raises Trouble."""
    python = script(here, "python")
    if not answers(here, "-m", "pip", "--version"):
        run_step(here, "adding pip", [python, "-m", "ensurepip", "--upgrade", "--default-pip"])
    again = ["--force-reinstall"] if all_again else []
    run_step(here, f"{what} (pip)", [python, "-m", "pip", "install", "--quiet", *again, "-e", target])


def readable_paths(venv: str) -> None:
    """Write the paths of editable installs in ASCII.

    Python before 3.13 reads .pth files in the system's code page: Hangul in UTF-8 keeps it from starting.
    """
    for pattern in ("lib/python*/site-packages/*.pth", "Lib/site-packages/*.pth"):
        for path in Path(venv).glob(pattern):
            _in_ascii(path)


def _in_ascii(path: Path) -> None:
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return
    if any(not line.isascii() and not line.startswith("import ") for line in lines):
        text = "\n".join(line if line.isascii() else _appending(line) for line in lines)
        scratch = path.with_suffix(".new")  # not in its place: it may be a hard link into a cache
        scratch.write_bytes(f"{text}\n".encode("ascii"))
        scratch.replace(path)


def _appending(path: str) -> str:
    """A line of a .pth file that adds a path to sys.path by its bytes, which are the same in every locale."""
    return f"import os, sys; sys.path.append(os.fsdecode({path.encode()!a}))"


def look_whether_it_runs(here: str) -> None:
    """Raises Trouble when what was installed does not even tell its version."""
    run_step(here, "looking whether it runs", [script(here, "python"), *INV_RUNS])


def uv() -> str:
    """The path of uv, or ""."""
    return shutil.which("uv") or ""


def remove(path: Path) -> None:
    """Delete a folder, link or file, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
