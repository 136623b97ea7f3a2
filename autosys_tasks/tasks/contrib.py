"""`test`, `lint` and `bench`: for contributors, in a checkout."""

from __future__ import annotations

from typing import Any

from autosys_tasks.tasks.border.verb import verb


@verb(
    help={
        "paths": "test files or folders (default: all)",
        "live": "the long tests against real processes, and only those",
        "short": "with --live: fewer rounds",
        "windows": "on CPython for Windows, under Wine; on Windows itself, leave it out",
        "k": "only tests whose names match this expression",
        "args": "more arguments for pytest, in one string",
    },
    many=("paths",),
)
def test(
    c: Any, paths: list[str], live: bool = False, short: bool = False, windows: bool = False, k: str = "",
    args: str = "",
) -> None:  # fmt: skip
    """Run the test suite."""
    flags = [name for name, said in (("--live", live), ("--short", short)) if said]
    if not live and not paths and not windows:
        flags += ["-n", "3", "--dist", "loadfile"]  # all of it, three files at once: most of them wait
    match = ["-k", k] if k else []
    program = "tests/windows/run.py" if windows else "pytest"
    end_as(c, [program, *flags, *match, *words(args), *paths])


@verb()
def lint(c: Any) -> None:
    """Check style and types: ruff, then mypy --strict as each of the three systems sees the code."""
    end_as(c, ["ruff", "check", "."], *(["mypy", "--platform", name] for name in ("linux", "win32", "darwin")))


@verb(help={"args": "arguments for bench/run.py, in one string"})
def bench(c: Any, args: str = "") -> None:
    """Measure this beside its peers."""
    end_as(c, ["bench/run.py", *words(args)])


def words(text: str) -> list[str]:
    """`--args` as the words that a shell would make of it."""
    import shlex

    return shlex.split(text)


def end_as(c: Any, *commands: list[str]) -> None:
    """Run all commands in the checkout with this environment's Python; end with the first bad exit code."""
    from pathlib import Path

    from invoke import Exit

    from autosys_tasks.core.errors import UsageError

    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "tests").is_dir():
        raise UsageError("there is no tests folder here", hint="this task is for a checkout of autosys")
    codes = [exit_code(str(checkout), argv, dry=bool(c.config.run.dry)) for argv in commands]
    if any(codes):
        raise Exit(code=next(code for code in codes if code))


def exit_code(checkout: str, argv: list[str], *, dry: bool) -> int:
    """How this environment's Python ends with a module or script of the checkout; a signal's is 128 + n."""
    import importlib.util
    import shlex
    import subprocess
    import sys

    from autosys_tasks.core.errors import UsageError

    is_module = not argv[0].endswith(".py")
    if is_module and importlib.util.find_spec(argv[0]) is None:
        raise UsageError(f"`{argv[0]}` is not installed here", hint="python tasks.py test")
    command = [sys.executable, *(["-m"] if is_module else []), *argv]
    if dry:
        print(shlex.join(command))
        return 0
    code = subprocess.call(command, cwd=checkout)
    return 128 - code if code < 0 else code
