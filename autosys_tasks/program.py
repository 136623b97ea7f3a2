"""The console command `autosys`: the same tasks for a folder that has an autosys.toml and no tasks.py."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

from autosys_tasks.core.garbage import gc_frozen


def main() -> None:
    """Entry point of the console command; Ctrl-C while it is still being read ends as cleanly as later."""
    try:
        with _undisturbed(), gc_frozen():
            from autosys_tasks.slim import load_invoke

            load_invoke()
            from autosys_tasks import ns  # noqa: F401 (first: it says which version runs, and `console` is of that one)
            from autosys_tasks.console import program
        program().run()
    except KeyboardInterrupt:
        if "--json" in sys.argv:
            from autosys_tasks.core.errors import Interrupted
            from autosys_tasks.tasks.border.documents import PRINTED, error_document, print_json

            if not PRINTED:  # by a task, or by the first Ctrl-C of two
                print_json(error_document(Interrupted("by Ctrl-C")))
        sys.exit(130)
    except OSError as error:  # `autosys --list | head`: Invoke's own printing, which no task's border stands around
        from autosys_tasks.tasks.border.streams import not_shown

        sys.exit(not_shown(error))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A Ctrl-C in here comes a moment later: some modules, halfway imported, make another error of it."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


if __name__ == "__main__":
    main()
