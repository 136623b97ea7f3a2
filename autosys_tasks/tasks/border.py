"""Where Invoke ends and the rooms begin: flags become values, values become text, errors become exit codes."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from invoke import Exit, UnexpectedExit, task
from invoke.exceptions import ParseError

from autosys_tasks.tasks.parsing import Verb

if TYPE_CHECKING:
    from autosys_tasks.config.model import Config
    from autosys_tasks.core.errors import AutosysError
    from autosys_tasks.core.plan import Plan
    from autosys_tasks.supervise.house import House

FOUND: dict[str, str | None] = {"name": None, "path": None}  # the workspace, as far as this run knows it
LONG_LIST = 1000
PRINTED: list[str] = []  # the schema of this task's document, once it was begun
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
            ready_streams(keep=not is_dry(c, bool(flags.get("dry_run"))))
            with person_readable(as_json=bool(flags.get("json")), interrupted=interrupted):
                _check_timeout(flags.get("timeout", 0.0))
                body(c, *args, **flags)

        return task(
            klass=Verb, auto_shortflags=False, help=texts, iterable=lists, positional=lists, **options
        )(run)

    return wrap


def _check_timeout(seconds: float) -> None:
    from autosys_tasks.core.errors import UsageError

    if not seconds >= 0:  # which no number that is none is
        raise UsageError(f"--timeout takes a number of seconds from 0 on, not {seconds:g}")


@contextlib.contextmanager
def person_readable(*, as_json: bool, interrupted: str = "") -> Iterator[None]:
    """Run a task's body; what goes wrong becomes one clear message (or document) and its promised exit code."""
    from autosys_tasks.core.clock import wall
    from autosys_tasks.core.errors import AutosysError, Interrupted, Unexpected
    from autosys_tasks.core.faults import check_order

    PRINTED.clear()
    try:
        wall()  # what AUTOSYS_NOW says is a time, or nothing is begun
        check_order()
        yield
        sys.stdout.flush()
    except (Exit, UnexpectedExit, ParseError):
        raise
    except AutosysError as error:
        end_with(error, as_json)
    except KeyboardInterrupt:
        end_with(Interrupted(interrupted or "by Ctrl-C"), as_json and not PRINTED)
    except OSError as error:
        from autosys_tasks.core.files import cannot_write

        if nobody_reads(error):
            raise Exit(code=0) from None
        if _is_stuck():
            raise Exit(code=not_shown(error)) from None
        end_with(cannot_write(error.filename or "a file", error, "read or write"), as_json)
    except Exception as error:  # noqa: BLE001 (said in full, and ends as promised)
        import traceback

        say(traceback.format_exc())
        said, hint = f"{type(error).__name__}: {error}", _way_back(error) or "a defect: please report the lines above"
        end_with(Unexpected(said, hint=hint), as_json)


def _way_back(error: Exception) -> str:
    """Who brought a file of ours that does not even import, and the way back; "" when it is something else."""
    from autosys_tasks.bootstrap import lastgood, tree

    if not (isinstance(error, (SyntaxError, ImportError)) and tree.at_risk(tree.source())):
        return ""
    broken = lastgood.told_of(error)
    return " ".join(broken.lines()[1:]) if broken.file else ""


def end_with(error: AutosysError, as_json: bool) -> NoReturn:
    """Say an error, as a document where that was asked for and stdout takes it, and end with its code."""
    if as_json:
        from autosys_tasks.core.errors import StateError

        with contextlib.suppress(StateError):
            print_json(error_document(error))
            raise Exit(code=error.code) from error
    if as_json or error.where == "stdout":
        _unread("stdout")  # it took nothing, and would spoil the exit code when Python ends
    from autosys_tasks.core.errors import error_lines

    say("\n".join(error_lines(error)))  # and not by Invoke, whose code a full stderr would spoil
    raise Exit(code=error.code) from error


def ready_streams(*, keep: bool = True) -> None:
    """No text can break a console: what it cannot show is escaped; without one (pythonw) there is a log.

    `keep` False: nothing may be written, and what would be shown is lost.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _instead_of_a_console() if keep else _nowhere())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _has_left(error: OSError) -> bool:
    """Whether it says that nobody reads a stream any more; Windows calls that an invalid argument."""
    if isinstance(error, BrokenPipeError):
        return True
    if error.errno != errno.EINVAL:
        return False
    from autosys_tasks import host

    return host.PLATFORM == "windows" and error.filename is None


def nobody_reads(error: OSError) -> bool:
    """Whether it says that the reader of stdout has left; from then on what is written there is lost."""
    left = _has_left(error)
    if left:
        _unread("stdout")
    return left


def _is_stuck() -> bool:
    """Whether stdout has something left that it cannot write (a full disk)."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def not_shown(error: OSError) -> int:
    """How a command ends that could not print what Invoke prints: 0 where nobody reads it, else said and 1."""
    if nobody_reads(error):
        return 0
    from autosys_tasks.core.errors import error_lines
    from autosys_tasks.core.files import cannot_write

    _unread("stdout")
    say("\n".join(error_lines(cannot_write("stdout", error))))
    return 1


def _nowhere() -> Any:
    return open(os.devnull, "w", encoding="utf-8")


def _unread(name: str) -> None:
    """Nobody reads this stream any more (`| head`): what is still written to it is lost, and hurts nobody."""
    setattr(sys, name, _nowhere())


def _instead_of_a_console() -> Any:
    """The workspace's log of what schedulers run, else the null device."""
    from autosys_tasks.config.load import find_workspace
    from autosys_tasks.core.errors import AutosysError

    with contextlib.suppress(AutosysError, OSError):
        path = find_workspace(Path.cwd(), os.environ) / "outputs" / "logs" / "scheduled.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8", buffering=1)
    return _nowhere()


def error_document(error: AutosysError) -> dict[str, object]:
    """The same as a document, with the real time: what AUTOSYS_NOW says may be what is wrong."""
    from autosys_tasks.core.clock import utc_text

    problems = [{"where": p.where, "message": p.message, "hint": p.hint or None} for p in error.problems]
    return envelope("error", None, error.code, at=utc_text(time.time())) | {
        "error": {
            "kind": error.kind,
            "message": error.message,
            "where": error.where or None,
            "hint": error.hint or None,
            "problems": problems,
        }
    }


def envelope(name: str, config: Config | None, exit_code: int, *, at: str = "") -> dict[str, object]:
    """What every document begins with. Without a configuration: as much of the workspace as this run has found."""
    from autosys_tasks.core.clock import utc_text

    workspace = {"name": config.name, "path": config.path} if config else FOUND | {"path": FOUND["path"] or _nearest()}
    return {"schema": f"autosys.{name}/1", "workspace": workspace, "at": at or utc_text(), "exit_code": exit_code}


def _nearest() -> str | None:
    """The folder of the workspace that this would be about, None when there is none."""
    from autosys_tasks.config.load import find_workspace
    from autosys_tasks.core.errors import AutosysError

    try:
        return str(find_workspace(here(), os.environ))
    except AutosysError:
        return None


def print_json(document: dict[str, object]) -> None:
    """Exactly one document on stdout: UTF-8, or ASCII with escapes where the console is not UTF-8."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")
    text = _json_text(typed_document(document), ascii_only=not utf8)
    if utf8:
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    PRINTED.append(str(document["schema"]))
    put(text)


def _json_text(document: dict[str, object], *, ascii_only: bool) -> str:
    """Laid out for a person; a long list (a day of journals) one item a line, which takes a fifth of the time."""
    import json

    def encoded(value: object, indent: int | None) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, indent=indent, default=str)

    if not any(isinstance(value, list) and len(value) > LONG_LIST for value in document.values()):
        return encoded(document, 2)
    fields = []
    for name, value in document.items():
        is_long = isinstance(value, list) and len(value) > LONG_LIST
        text = ",\n".join(encoded(item, None) for item in value) if is_long else encoded(value, 2)  # type: ignore[attr-defined]
        fields.append(f"{encoded(name, None)}: " + (f"[\n{text}\n]" if is_long else text))
    return "{\n" + ",\n".join(fields) + "\n}"


def put(text: str) -> None:
    """What a task ends with, on stdout: a reader who has left does not change how it ended.

    Raises StateError when it cannot be written (a full disk).
    """
    try:
        print(text, flush=True)
    except OSError as error:
        if not _has_left(error):
            from autosys_tasks.core.files import cannot_write

            raise cannot_write("stdout", error) from error
        _unread("stdout")


def say(line: str) -> None:
    """One line for a person, where it cannot spoil a document; what cannot be said stops no work."""
    try:
        # One write: others say theirs at the same moment.
        print(f"{as_typed(line)}\n", end="", file=sys.stderr, flush=True)
    except OSError:
        _unread("stderr")


def current(c: Any) -> Config:
    """The configuration of the workspace that this command is about."""
    from autosys_tasks.config.load import find_workspace, load

    folder = find_workspace(here(), os.environ)
    FOUND["path"] = str(folder)
    config = load(folder)
    FOUND["name"] = config.name
    return config


def here() -> Path:
    """The folder in which the command was given; raises ConfigError when it is gone."""
    from autosys_tasks.core.errors import ConfigError

    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the folder in which this runs is gone", hint="change to the workspace, then again") from None


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
        put(as_typed("\n".join(plan_lines(plan))))
    end(code)


def finish(
    config: Config | None, document: str, code: int, fields: dict[str, object], lines: list[str], as_json: bool
) -> None:
    """Print how a task ended, once, and end with its code."""
    if as_json:
        print_json(envelope(document, config, code) | fields)
    else:
        put(as_typed("\n".join(lines)))
    end(code)


def program() -> str:
    """What a person types before a task of ours: `inv`; `autosys` where there is no tasks.py, without which `inv`
    knows nothing, and where there is no workspace yet."""
    if "autosys_tasks.console" not in sys.modules:
        return "inv"
    folder = FOUND["path"] or _nearest()
    return "inv" if folder and Path(folder, "tasks.py").is_file() else "autosys"


def as_typed(text: str) -> str:
    """What is shown to a person, as it is typed in this workspace."""
    from autosys_tasks.core.errors import typed

    return typed(text, program()) if "inv " in text else text


def typed_document(document: dict[str, object]) -> dict[str, object]:
    """What a document tells, as it is typed in this workspace."""
    from autosys_tasks.core.errors import typed_in

    return typed_in(document, program())


def end(code: int) -> None:
    """End the task with this exit code."""
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
