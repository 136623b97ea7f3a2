"""Where Invoke ends and the rooms begin: flags become values, values become text, errors become exit codes."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit, task

from autosys_tasks.tasks.parsing import Verb

if TYPE_CHECKING:
    from autosys_tasks.config.model import Config
    from autosys_tasks.core.errors import AutosysError
    from autosys_tasks.core.plan import Plan
    from autosys_tasks.supervise.house import House

HELP = {
    "json": "print exactly one JSON document",
    "dry_run": "print the plan and change nothing",
    "exit_code": "with --dry-run: end 9 when there is something to do",
    "timeout": "how long to wait at most, in seconds",
}


def verb(
    *, help: dict[str, str] | None = None, many: Iterable[str] = (), interrupted: str = "", **options: Any
) -> Callable[[Callable[..., None]], Any]:
    """An Invoke task as ours are: no short flags, our errors and Ctrl-C as exit codes, any number of names.

    `interrupted`: what a person should know after Ctrl-C.
    """

    def wrap(body: Callable[..., None]) -> Any:
        names = body.__code__.co_varnames[1 : body.__code__.co_argcount]
        texts = {name: text for name, text in {**HELP, **(help or {})}.items() if name in names}
        lists = list(many)

        @functools.wraps(body)
        def run(c: Any, *args: Any, **flags: Any) -> None:
            with person_readable(as_json=bool(flags.get("json")), interrupted=interrupted):
                body(c, *args, **flags)

        return task(
            klass=Verb, auto_shortflags=False, help=texts, iterable=lists, positional=lists, **options
        )(run)

    return wrap


@contextlib.contextmanager
def person_readable(*, as_json: bool, interrupted: str = "") -> Iterator[None]:
    """Run a task's body; what goes wrong becomes one clear message (or document) and its promised exit code."""
    from autosys_tasks.core.errors import AutosysError

    ready_streams()
    try:
        yield
        sys.stdout.flush()
    except AutosysError as error:
        if as_json:
            print_json(error_document(error))
            raise Exit(code=error.code) from error
        raise Exit("\n".join(error_lines(error)), code=error.code) from error
    except KeyboardInterrupt:
        raise Exit(f"interrupted{interrupted and ': '}{interrupted}", code=130) from None
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (nobody reads on; end quietly)
        raise Exit(code=0) from None
    except OSError as error:
        from autosys_tasks.core.files import cannot_write

        failed = cannot_write(error.filename or "a file", error)
        if as_json:
            print_json(error_document(failed))
            raise Exit(code=1) from error
        raise Exit("\n".join(error_lines(failed)), code=1) from error


def ready_streams() -> None:
    """No text can break a console: what it cannot show is escaped; without one (pythonw) there is a log."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _instead_of_a_console())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _instead_of_a_console() -> Any:
    """The workspace's log of what schedulers run, else the null device."""
    from autosys_tasks.config.load import find_workspace
    from autosys_tasks.core.errors import AutosysError

    with contextlib.suppress(AutosysError, OSError):
        path = find_workspace(Path.cwd(), os.environ) / "outputs" / "logs" / "scheduled.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8", buffering=1)
    return open(os.devnull, "w", encoding="utf-8")


def error_lines(error: AutosysError) -> list[str]:
    """An error for a person: what, where, and what to type next."""
    lines = [f"{error.kind}: {error.message}"]
    for problem in error.problems:
        lines.append(f"  {problem.where}: {problem.message}" + (f" ({problem.hint})" if problem.hint else ""))
    if error.hint:
        lines.append(f"  -> {error.hint}")
    return lines


def error_document(error: AutosysError) -> dict[str, object]:
    """The same as a document."""
    problems = [{"where": p.where, "message": p.message, "hint": p.hint or None} for p in error.problems]
    return envelope("error", None, error.code) | {
        "error": {
            "kind": error.kind,
            "message": error.message,
            "where": error.where or None,
            "hint": error.hint or None,
            "problems": problems,
        }
    }


def envelope(name: str, config: Config | None, exit_code: int) -> dict[str, object]:
    """What every document begins with."""
    from autosys_tasks.core.clock import utc_text

    workspace = {"name": config.name if config else None, "path": config.path if config else None}
    return {"schema": f"autosys.{name}/1", "workspace": workspace, "at": utc_text(), "exit_code": exit_code}


def print_json(document: dict[str, object]) -> None:
    """Exactly one document on stdout: UTF-8, or ASCII with escapes where the console is not UTF-8."""
    import json

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")
    text = json.dumps(document, ensure_ascii=not utf8, indent=2, default=str)
    if utf8:
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    print(text)


def say(line: str) -> None:
    """One line for a person, where it cannot spoil a document."""
    print(line, file=sys.stderr)


def current(c: Any) -> Config:
    """The configuration of the workspace that this command is about."""
    from autosys_tasks.config.load import find_workspace, load

    return load(find_workspace(Path.cwd(), os.environ))


def house(c: Any) -> House:
    """The workspace as the supervisor sees it."""
    from autosys_tasks.supervise.house import house_of

    return house_of(current(c))


def is_dry(c: Any, dry_run: bool) -> bool:
    """Whether nothing may change: our own flag, or Invoke's `inv --dry`."""
    return dry_run or bool(c.config.run.dry)


def show_plan(config: Config | None, plan: Plan, *, as_json: bool, exit_code: bool) -> None:
    """Print a plan and end: 0, or 9 when it found work and was asked to say so."""
    from autosys_tasks.core.plan import plan_lines, step_json

    code = 9 if exit_code and plan.steps else 0
    if as_json:
        steps = [step_json(step) for step in plan.steps]
        print_json(envelope("plan", config, code) | {"task": plan.task, "steps": steps, "notes": list(plan.notes)})
    else:
        print("\n".join(plan_lines(plan)))
    if code:
        raise Exit(code=code)


def finish(
    config: Config | None, document: str, code: int, fields: dict[str, object], lines: list[str], as_json: bool
) -> None:
    """Print how a task ended, once, and end with its code."""
    if as_json:
        print_json(envelope(document, config, code) | fields)
    else:
        print("\n".join(lines))
    if code:
        raise Exit(code=code)


def run_fields(task_name: str, outcomes: Iterable[Any], notes: Iterable[str] = ()) -> dict[str, object]:
    """The fields of a `run` document."""
    from autosys_tasks.core.plan import outcome_json, summary

    done = list(outcomes)
    return {
        "task": task_name,
        "outcomes": [outcome_json(outcome) for outcome in done],
        "summary": summary(done),
        "notes": list(notes),
    }
