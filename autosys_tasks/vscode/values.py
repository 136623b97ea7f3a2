"""What is seen of the editor's file, and what a change of it would be, as values. Pure."""

from __future__ import annotations

from typing import NamedTuple

from autosys_tasks.core.plan import Plan
from autosys_tasks.vscode.entries_text import Launcher

FILE = ".vscode/tasks.json"
AUTO_RUN = (
    "VS Code (1.109 and newer) asks once whether this folder may run tasks when it is opened: answer `Allow and Run`, "
    "or use the command `Tasks: Manage Automatic Tasks`; no program can look whether that was done"
)


class Facts(NamedTuple):
    """The file as it is, what shall run our tasks here, and the copy that was kept before the last change."""

    path: str
    text: str | None  # None: there is no such file; bytes that are no UTF-8 are lone surrogates
    launcher: Launcher
    backup: str | None = None  # None: nothing was ever changed


class Status(NamedTuple):
    """How our block stands: in_sync, differs, missing or broken, with the labels in it."""

    state: str
    labels: tuple[str, ...] = ()
    why: str = ""  # "" only when in sync
    notes: tuple[str, ...] = ()  # what of the person's own text keeps our tasks from working


class Change(NamedTuple):
    """A plan, with the file before it and after it (None = no file)."""

    plan: Plan
    before: str | None
    after: str | None
