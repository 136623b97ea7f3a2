"""What `autosys` runs: Invoke's Program over our tasks, with our exit code for what its parser refuses."""

from __future__ import annotations

from collections.abc import Callable

from invoke import Exit, Program
from invoke.exceptions import ParseError

from autosys_tasks import __version__, ns


class Autosys(Program):
    """Invoke's Program over our tasks; what its parser refuses is a usage error and ends 2."""

    def parse_core(self, argv: list[str] | None) -> None:
        """Read what stands before the first task."""
        self._usage(lambda: super(Autosys, self).parse_core(argv))

    def parse_tasks(self) -> None:
        """Read the tasks and their flags."""
        self._usage(super().parse_tasks)

    def _usage(self, parse: Callable[[], None]) -> None:
        try:
            parse()
        except ParseError as error:
            if "--json" not in self.argv:
                raise Exit(f"usage: {error}\n  -> autosys --list, or autosys TASK --help", code=2) from error
            from autosys_tasks.core.errors import UsageError
            from autosys_tasks.tasks.border import error_document, print_json, ready_streams

            ready_streams()
            print_json(error_document(UsageError(str(error), hint="autosys --list")))
            raise Exit(code=2) from error


def program() -> Program:
    """The console command as Invoke knows it."""
    return Autosys(namespace=ns, name="autosys", binary="autosys", version=__version__)
