"""An Invoke task as ours are: flags become values, errors and Ctrl-C become exit codes."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from invoke import Exit, UnexpectedExit, task
from invoke.exceptions import ParseError

from autosys_tasks.tasks.border.documents import PRINTED, error_document, print_json
from autosys_tasks.tasks.border.names import read_as_utf8
from autosys_tasks.tasks.border.streams import is_stuck, nobody_reads, not_shown, ready_streams, say, unread
from autosys_tasks.tasks.parsing import Verb

if TYPE_CHECKING:
    from autosys_tasks.core.errors import AutosysError

HELP = {
    "json": "print exactly one JSON document",
    "dry_run": "print the plan and change nothing",
    "exit_code": "with --dry-run: end 9 when there is something to do",
    "timeout": "how long to wait at most, in seconds",
}


def verb(
    *,
    help: dict[str, str] | None = None,
    many: Iterable[str] = (),
    interrupted: str = "",
    of_files: bool = False,
    **options: Any,
) -> Callable[[Callable[..., None]], Any]:
    """An Invoke task as ours are: no short flags, our errors and Ctrl-C as exit codes, any number of names.

    `interrupted`: what a person should know after Ctrl-C. `of_files`: it keeps or compares names of any files.
    """

    def wrap(body: Callable[..., None]) -> Any:
        names = body.__code__.co_varnames[1 : body.__code__.co_argcount]
        texts = {name: text for name, text in {**HELP, **(help or {})}.items() if name in names}
        lists = list(many)

        @functools.wraps(body)
        def run(c: Any, *args: Any, **flags: Any) -> None:
            if of_files:
                read_as_utf8()
            ready_streams(keep=not is_dry(c, bool(flags.get("dry_run"))))
            with person_readable(as_json=bool(flags.get("json")), interrupted=interrupted):
                _check_timeout(flags.get("timeout", 0.0))
                body(c, *args, **flags)

        return task(klass=Verb, auto_shortflags=False, help=texts, iterable=lists, positional=lists, **options)(run)

    return wrap


def is_dry(c: Any, dry_run: bool) -> bool:
    """Whether nothing may change: our own flag, or Invoke's `inv --dry`."""
    return dry_run or bool(c.config.run.dry)


def _check_timeout(seconds: float) -> None:
    from autosys_tasks.core.errors import UsageError

    if not seconds >= 0:  # which no number that is none is
        raise UsageError(f"--timeout takes a number of seconds from 0 on, not {seconds:g}")


@contextlib.contextmanager
def person_readable(*, as_json: bool, interrupted: str = "") -> Iterator[None]:
    """Run a task's body; what goes wrong becomes one clear message (or document) and its promised exit code."""
    from autosys_tasks.core.clock import wall
    from autosys_tasks.core.errors import AutosysError, Interrupted, Unexpected
    from autosys_tasks.core.faults import check_variable

    PRINTED.clear()
    try:
        wall()  # what AUTOSYS_NOW says is a time, or nothing is begun
        check_variable()
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
        if is_stuck():
            raise Exit(code=not_shown(error)) from None
        end_with(cannot_write(error.filename or "a file", error, "read or write"), as_json)
    except Exception as error:  # noqa: BLE001 (said in full, and ends as promised)
        import traceback

        say(*traceback.format_exc().splitlines())
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
        unread("stdout")  # it took nothing, and would spoil the exit code when Python ends
    from autosys_tasks.core.errors import error_lines

    say(*error_lines(error))  # and not by Invoke, whose code a full stderr would spoil
    raise Exit(code=error.code) from error
