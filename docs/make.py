"""Writes docs/tasks.md out of what the tasks themselves say. `python docs/make.py --write`, or without it: prints."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.parser import ParserContext

from autosys_tasks import ns
from autosys_tasks.tasks.parsing import typed, words_of

PAGE = Path(__file__).with_name("tasks.md")
HEAD = """<!-- written by `python docs/make.py --write` out of the tasks themselves -->
# Commands

Type them as `inv TASK` in the environment (`.venv/bin/inv`), as `python tasks.py TASK` with any Python, or as
`autosys TASK` where there is no tasks.py, or one without our tasks. They work from any folder of a workspace: the
nearest folder upwards that holds `autosys.toml`, or the one that `AUTOSYS_WORKSPACE` names. There are no short flags.

Everywhere `--help` tells the flags, `--json` prints exactly one JSON document (see [json.md](json.md)) and never asks,
`--dry-run` (or `inv --dry TASK`) shows the plan and changes nothing. Exit codes are in [json.md](json.md#exit-codes).
"""


def page() -> str:
    """The whole page."""
    contexts = sorted(ns.to_contexts(), key=typed)  # once: Invoke forgets the help afterwards
    return "\n".join([HEAD, *map(_section, contexts)])


def _section(context: ParserContext) -> str:
    words = " ".join(f"[{each.typed}]" for each in words_of(context))
    lines = [f"## inv {typed(context)} {words}".rstrip(), "", _text(ns[context.name].__doc__), ""]
    flags = [(flag.split("=")[0], text) for flag, text in context.help_tuples() if flag[0] != "-" or flag[1] == "-"]
    rows = [f"| `{flag}` | {text or ''} |" for flag, text in flags]
    return "\n".join([*lines, "| flag | |", "|---|---|", *rows, ""] if rows else lines)


def _text(docstring: str | None) -> str:
    return " ".join((docstring or "").split())


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(page())
