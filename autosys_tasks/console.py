"""What `autosys` runs: Invoke's Program over our tasks, with our exit code for what its parser refuses."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from invoke import Program
from invoke.exceptions import ParseError

from autosys_tasks import __version__, ns
from autosys_tasks.tasks.parsing import typed

if TYPE_CHECKING:
    from autosys_tasks.core.errors import AutosysError


class Autosys(Program):
    """Invoke's Program over our tasks; what its parser refuses is a usage error and ends 2."""

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:
        """All of it; raises KeyboardInterrupt for a Ctrl-C between tasks, for which Invoke ends 1 without a word, and
        OSError where what it printed is taken by nobody."""
        try:
            super().run(argv, exit)
        except SystemExit as ended:
            if sys.stdout:
                sys.stdout.flush()
            if isinstance(ended.__context__, KeyboardInterrupt):
                raise ended.__context__ from None
            raise

    def parse_core(self, argv: list[str] | None) -> None:
        """Read what stands before the first task."""
        self._usage(lambda: super(Autosys, self).parse_core(argv))
        # Invoke sets it, and then our modules would be compiled anew at every start; a dry run writes nothing at all.
        dry = "--dry-run" in self.argv or "--dry" in self.argv
        sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode) or dry

    def parse_tasks(self) -> None:
        """Read the tasks and their flags."""
        self._usage(super().parse_tasks)

    def _usage(self, parse: Callable[[], None]) -> None:
        try:
            parse()
        except ParseError as error:
            from autosys_tasks.tasks.border.streams import ready_streams
            from autosys_tasks.tasks.border.verb import end_with

            ready_streams()
            end_with(refused(error), "--json" in self.argv)


def refused(error: ParseError) -> AutosysError:
    """What Invoke's parser does not take, with the nearest spelling of what it would."""
    from autosys_tasks.core.errors import UsageError, nearest

    task = typed(error.context) if error.context else ""
    helps = f"autosys {task} --help".replace("  ", " ")
    if empty := re.search(r"<Argument: ([\w-]+)", str(error)):
        return UsageError(f"--{empty[1].replace('_', '-')} needs a value", hint=helps)
    word = re.fullmatch(r"No idea what '(.*)' is!", str(error))
    if word is None:
        return UsageError(str(error), hint=helps)
    is_flag = word[1].startswith("-")
    near = nearest(word[1], error.context.flags if is_flag and error.context else ns.task_names)
    said = f"{f'`{task}`' if task else 'autosys'} takes no" if is_flag else "no task is named"
    hint = f"did you mean `{near}`?" if near else helps if is_flag else "autosys --list"
    return UsageError(f"{said} `{word[1]}`", where=word[1], hint=hint)


def program() -> Program:
    """The console command as Invoke knows it."""
    return Autosys(namespace=ns, name="autosys", binary="autosys", version=__version__)
