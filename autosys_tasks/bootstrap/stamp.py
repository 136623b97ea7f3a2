"""What is known of .venv: decides whether it can be trusted, changes nothing but its stamp.

.venv/autosys-stamp lies inside, so that it goes when the environment goes. Its first line is
    ready EXTRAS   the install ended well for exactly the facts below (folder, interpreter, pyproject.toml)
    making EXTRAS  it was new, and its first install has not ended: nothing in it is worth keeping
    updating ...   it was good, or somebody's own, and an install has not ended: repair it where it is
Without a stamp it is somebody's own, or `venv` itself was interrupted.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

EXTRAS = {"test": "test", "lint": "test"}  # task -> the optional dependencies that it needs


def ready(here: str, extras: set[str]) -> bool:
    """Whether the last install ended well for these very facts, and what it made is still there."""
    state, known = read_stamp(here)
    return (
        state[:1] == ["ready"]
        and extras <= set(state[1:])
        and base_lives(here)
        and os.path.exists(script(here, "inv"))
        and has_invoke(here)
        and known == facts(here)
    )


def has_invoke(here: str) -> bool:
    """Whether what every task runs on lies in .venv: its start does not tell that packages were taken away."""
    lib = os.path.join(venv(here), "Lib" if sys.platform == "win32" else "lib")
    try:
        folders = [lib] if sys.platform == "win32" else [os.path.join(lib, name) for name in os.listdir(lib)]
    except OSError:
        return False
    return any(os.path.exists(os.path.join(each, "site-packages", "invoke", "__init__.py")) for each in folders)


def sound(here: str) -> bool:
    """Whether an install can go into .venv: it is at its own place, runs, and is new enough."""
    state, known = read_stamp(here)
    moved = bool(known) and known.partition(b"\n")[0] != os.fsencode(here)
    if state[:1] == ["making"] or moved or not base_lives(here):
        return False
    # An environment without its pyvenv.cfg runs as the base interpreter, and pip would install there.
    here_and_new = "sys.version_info >= (3, 11) and os.path.samefile(sys.prefix, sys.argv[1])"
    return answers(here, "-c", f"import os, sys; sys.exit(not ({here_and_new}))", venv(here))


def base_lives(here: str) -> bool:
    """Whether the Python that .venv was made from is still installed; on Windows its launcher outlives it."""
    try:
        with open(os.path.join(venv(here), "pyvenv.cfg"), "rb") as file:
            homes = [line.partition(b"=")[2].strip() for line in file if line.startswith(b"home")]
    except OSError:
        return False
    return bool(homes) and os.path.isdir(os.fsdecode(homes[0])) and os.path.exists(script(here, "python"))


def answers(here: str, *args: str) -> bool:
    """Whether the environment's own Python, run with `args`, ends with 0."""
    import subprocess

    quiet = subprocess.DEVNULL
    try:
        argv = [script(here, "python"), *args]
        return not subprocess.call(argv, stdin=quiet, stdout=quiet, stderr=quiet, creationflags=quiet_flags())
    except OSError:
        return False


def facts(here: str) -> bytes:
    """What an install depends on. All of pyproject.toml, not a hash: cheaper to compare, and exact."""
    python = os.path.realpath(script(here, "python"))
    with open(os.path.join(here, "pyproject.toml"), "rb") as file:
        return b"\n".join([os.fsencode(here), os.fsencode(python), file.read()])


def read_stamp(here: str) -> tuple[list[str], bytes]:
    """The words of the stamp's first line and the facts below it; ([], b"") without a stamp."""
    try:
        with open(stamp_path(here), "rb") as file:
            first, _, known = file.read().partition(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return [], b""
    return first.decode("ascii", "replace").split(), known


def write_stamp(here: str, state: Iterable[str], known: bytes = b"") -> None:
    """Replace the stamp in one step; one without facts says at least which folder it is about."""
    scratch = f"{stamp_path(here)}.new"
    with open(scratch, "wb") as file:
        file.write(" ".join(state).encode("ascii") + b"\n" + (known or os.fsencode(here)))
    os.replace(scratch, stamp_path(here))


def stamp_path(here: str) -> str:
    """Where the stamp lies."""
    return os.path.join(venv(here), "autosys-stamp")


def venv(here: str) -> str:
    """The environment's folder."""
    return os.path.join(here, ".venv")


def quiet_flags() -> int:
    """What keeps a console program that pythonw starts from opening a window; 0 elsewhere."""
    name = os.path.basename(sys.executable or "").lower()
    return 0x08000000 if sys.platform == "win32" and name.startswith("pythonw") else 0  # CREATE_NO_WINDOW


def script(here: str, name: str) -> str:
    """The path of one of the environment's commands."""
    parts = ("Scripts", f"{name}.exe") if sys.platform == "win32" else ("bin", name)
    return os.path.join(venv(here), *parts)
