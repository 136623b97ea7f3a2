"""`test`, `lint` and `bench`: for contributors, in a checkout."""

from __future__ import annotations

from typing import Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import current


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
    args: str = "", dry_run: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Run the test suite."""
    flags = [name for name, said in (("--live", live), ("--short", short)) if said]
    if not live and not paths and not windows:
        flags += ["-n", "3", "--dist", "loadfile"]  # all of it, three files at once: most of them wait
    match = ["-k", k] if k else []
    program = "tests/windows/run.py" if windows else "pytest"
    argv = [program, *flags, *match, *words(args), *paths]
    run_all("test", [argv], dry_run=is_dry(c, dry_run), as_json=json)


@verb()
def lint(c: Any, dry_run: bool = False, json: bool = False) -> None:
    """Check style and types: ruff, then mypy --strict as each of the three systems sees the code."""
    types = [["mypy", "--platform", name] for name in ("linux", "win32", "darwin")]
    run_all("lint", [["ruff", "check", "."], *types], dry_run=is_dry(c, dry_run), as_json=json)


@verb(help={"args": "arguments for bench/run.py, in one string"})
def bench(c: Any, args: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Measure this beside its peers."""
    run_all("bench", [["bench/run.py", *words(args)]], dry_run=is_dry(c, dry_run), as_json=json)


def words(text: str) -> list[str]:
    """`--args` as the words that a shell would make of it."""
    import shlex

    return shlex.split(text)


def run_all(task: str, programs: list[list[str]], *, dry_run: bool, as_json: bool) -> None:
    """Run modules and scripts of the checkout with this environment's Python; end with the first bad exit code.

    For a document's sake what they print goes to stderr.
    """
    import shlex
    import subprocess
    import sys
    from pathlib import Path
    from time import monotonic

    from autosys_tasks.core.errors import UsageError
    from autosys_tasks.core.plan import Outcome, Plan, Step

    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "tests").is_dir():
        raise UsageError("there is no tests folder here", hint="this task is for a checkout of autosys")
    commands = [_python_command(argv) for argv in programs]
    config = current() if as_json else None
    steps = [Step("run", argv[0], shlex.join(command)) for argv, command in zip(programs, commands, strict=True)]
    if dry_run:
        return show_plan(config, Plan(task, tuple(steps)), as_json=as_json, exit_code=False)
    codes, outcomes = [], []
    for step, command in zip(steps, commands, strict=True):
        began = monotonic()
        code = subprocess.call(command, cwd=checkout, stdout=sys.stderr if as_json else None)
        codes.append(128 - code if code < 0 else code)  # a signal's is 128 + n
        ms = round((monotonic() - began) * 1000)
        outcomes.append(Outcome(step, codes[-1] == 0, f"exit code {codes[-1]}: {step.reason}", ms))
    return finish(config, "run", next(filter(None, codes), 0), run_fields(task, outcomes), [], as_json)


def _python_command(argv: list[str]) -> list[str]:
    import importlib.util
    import sys

    from autosys_tasks.core.errors import UsageError

    if argv[0].endswith(".py"):
        return [sys.executable, *argv]
    if importlib.util.find_spec(argv[0]) is None:
        raise UsageError(f"`{argv[0]}` is not installed here", hint="python tasks.py test")
    return [sys.executable, "-m", *argv]
