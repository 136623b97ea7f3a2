"""The menu's lines: valid for VS Code's own schema, and no command in them that this version does not have."""

from __future__ import annotations

import pytest
from invoke.parser import Parser

from autosys_tasks import ns
from autosys_tasks.vscode import entries_text
from autosys_tasks.vscode.entries_text import ENTRIES, OPEN, VENV, Launcher

LABELS = [
    "🚀 Master: Start Orchestrator",
    "🚀 Master: Register Auto-Start (Boot)",
    "🚀 Master: Unregister Auto-Start",
    "🚀 Master: Check Status",
    "🔧 Upgrade: Detect and Apply",
    "🔧 Upgrade: Dry-Run",
    "🏥 Health: Full System Check",
    "🏥 Health: Auto-Fix Issues",
    "💾 Backup: Register Daily (03:30)",
    "💾 Backup: Run Now",
    "Auto: Bring-up on VS Code Open (safe)",
]
PRESENTATION = {
    "echo": bool, "focus": bool, "showReuseMessage": bool, "clear": bool, "close": bool, "reveal": str, "panel": str,
}  # fmt: skip
RUN_OPTIONS = {"reevaluateOnRerun", "runOn", "instanceLimit", "instancePolicy"}
KEYS = {
    "label", "type", "command", "args", "options", "presentation", "problemMatcher", "runOptions", "windows", "detail",
}  # fmt: skip


def test_every_command_in_the_menu_is_understood_by_this_version() -> None:
    """P29: every referenced task and option exists."""
    parser = Parser(contexts=ns.to_contexts())
    for entry in ENTRIES:
        (context,) = parser.parse_argv(list(entry.words))
        assert ns[context.name] is ns[entry.words[0]]


@pytest.mark.parametrize("launcher", [VENV, Launcher("/usr/bin/python3", None, "autosys_tasks.program")])
def test_every_task_is_valid_for_the_schema_of_vs_code(launcher: Launcher) -> None:
    """Only the keys of tasks.json 2.0.0, of the types that it wants; a process, so no shell quotes anything."""
    made = entries_text.tasks(launcher)
    assert [task["label"] for task in made] == LABELS
    assert len(made) <= 12
    for task in made:
        assert set(task) <= KEYS
        assert task["type"] == "process" and task["command"] == launcher.command and task["problemMatcher"] == []
        args = task["args"]
        assert isinstance(args, list) and args[:4] == ["-X", "utf8", "-m", launcher.module]
        assert all(isinstance(word, str) and "${" not in word for word in args)
        assert task["options"] == {"cwd": "${workspaceFolder}"}
        presentation = task["presentation"]
        assert isinstance(presentation, dict)
        assert all(isinstance(value, PRESENTATION[key]) for key, value in presentation.items())
        assert task.get("windows") == ({"command": launcher.windows} if launcher.windows else None)


def test_one_task_alone_runs_by_itself_and_it_disturbs_nobody() -> None:
    """P39: the editor keeps its focus, and nothing waits for a background step."""
    made = entries_text.tasks(VENV)
    by_itself = [task for task in made if "runOptions" in task]
    assert [task["label"] for task in by_itself] == [OPEN]
    options, presentation = by_itself[0]["runOptions"], by_itself[0]["presentation"]
    assert options == {"runOn": "folderOpen", "instanceLimit": 1, "instancePolicy": "silent"}
    assert isinstance(options, dict) and set(options) <= RUN_OPTIONS
    assert isinstance(presentation, dict) and (presentation["reveal"], presentation["focus"]) == ("silent", False)
    assert not any("isBackground" in task for task in made)


def test_no_task_refers_to_a_label_and_no_label_comes_twice() -> None:
    """P36: labels with emoji are for people; re-encoded by somebody's script, they break no chain."""
    made = entries_text.tasks(VENV)
    assert not any("dependsOn" in task for task in made)
    lossy = [str(task["label"]).encode("cp949", "replace") for task in made]
    assert len(set(lossy)) == len(made), "even then they can be told apart"
