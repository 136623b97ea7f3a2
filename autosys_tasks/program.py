"""The console command `autosys`: the same tasks for a folder that has an autosys.toml and no tasks.py."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console command; Ctrl-C while it is still being read ends as cleanly as later."""
    try:
        from autosys_tasks import ns  # noqa: F401 (first: it says which version runs, and `console` is of that one)
        from autosys_tasks.console import program

        program().run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
