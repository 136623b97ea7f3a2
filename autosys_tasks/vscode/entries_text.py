"""The tasks that the editor's menu gets, and how each is written. Pure.

Only what VS Code's own schema knows (jsonSchema_v2.ts); `process`, so that no shell reads our words; and
nothing refers to a label, because emoji in labels did not survive other people's scripts. What a task says of itself
ends with the mark by which it is found again.
"""

from __future__ import annotations

import json
from typing import NamedTuple

FOLDER = "${workspaceFolder}"
OPEN = "Auto: Bring-up on VS Code Open (safe)"
MARK = " (autosys)"
Task = dict[str, object]


class Launcher(NamedTuple):
    """What runs a task: an interpreter, another path of it for Windows, and a module."""

    command: str
    windows: str | None = None
    module: str = "invoke"


VENV = Launcher(f"{FOLDER}/.venv/bin/python", f"{FOLDER}\\.venv\\Scripts\\python.exe")


class Entry(NamedTuple):
    """One line of the menu: what it is called, the words of its command, and what that does."""

    label: str
    words: tuple[str, ...]
    detail: str


ENTRIES = (
    Entry("🚀 Master: Start Orchestrator", ("master",), "upgrade, bring up, guard, health"),
    Entry("🚀 Master: Register Auto-Start (Boot)", ("master.register",), "start everything after logon"),
    Entry("🚀 Master: Unregister Auto-Start", ("master.unregister",), "start nothing after logon any more"),
    Entry("🚀 Master: Check Status", ("master.status",), "what is registered, and how its last run ended"),
    Entry("🔧 Upgrade: Detect and Apply", ("upgrade",), "install what a pull has brought"),
    Entry("🔧 Upgrade: Dry-Run", ("upgrade", "--dry-run", "--explain"), "what an upgrade would do, and why"),
    Entry("🏥 Health: Full System Check", ("health",), "every check, each red with what to do"),
    Entry("🏥 Health: Auto-Fix Issues", ("health", "--fix"), "mend what is safe to mend, then look again"),
    Entry("💾 Backup: Register Daily (03:30)", ("schedule.register", "--only", "backup"), "a backup every night"),
    Entry("💾 Backup: Run Now", ("backup",), "a backup now"),
    Entry(OPEN, ("vscode.open",), "runs when this folder is opened, if VS Code is allowed to run tasks by itself"),
)
LABELS = frozenset(entry.label for entry in ENTRIES)


def tasks(launcher: Launcher) -> list[Task]:
    """The tasks as VS Code wants them."""
    return [_task(entry, launcher) for entry in ENTRIES]


def _task(entry: Entry, launcher: Launcher) -> Task:
    windows: Task = {"windows": {"command": launcher.windows}} if launcher.windows else {}
    by_itself = entry.label == OPEN
    presentation = {"reveal": "silent" if by_itself else "always", "focus": False, "showReuseMessage": False}
    task: Task = {
        "label": entry.label,
        "detail": entry.detail + MARK,
        "type": "process",
        "command": launcher.command,
        **windows,
        "args": ["-X", "utf8", "-m", launcher.module, *entry.words],
        "options": {"cwd": FOLDER},
        "presentation": presentation,
        "problemMatcher": [],
    }
    if by_itself:
        task["runOptions"] = {"runOn": "folderOpen", "instanceLimit": 1, "instancePolicy": "silent"}
    return task


def lines(task: Task, unit: str) -> list[str]:
    """A task as lines of JSON, one a key, with the comma after it that lets others follow."""
    rows = [f"{unit}{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in task.items()]
    return ["{", *(f"{row}," for row in rows[:-1]), rows[-1], "},"]
