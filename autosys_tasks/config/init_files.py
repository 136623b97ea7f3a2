"""The first step into a folder: which files `init` writes, and writing them. Never overwrites."""

from __future__ import annotations

import os
from pathlib import Path

from autosys_tasks.config.load import is_declared, load
from autosys_tasks.config.taskfile import finds_ours
from autosys_tasks.config.template import template
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.files import write_atomic
from autosys_tasks.core.plan import Outcome, Plan, Step

TASKS = '''"""Invoke tasks of this workspace; `inv --list` shows them. To add one of yours: `ns.add_task(mine)`."""

from autosys_tasks import ns  # noqa: F401
'''
KEPT = (".env", "config.json")  # what only this machine has, where it is there: a required set asks for it
OWN_TASKS = (
    "by that tasks.py `inv` does not know these tasks: type `autosys` instead of `inv`, or write "
    "`from autosys_tasks import ns` into it and `ns.add_task(...)` for each of its own"
)
WHY = {
    "autosys.toml": "what this workspace runs, commented",
    "tasks.py": "so that `inv` finds the tasks here",
}


def name_of(folder: Path) -> str | None:
    """What the workspace is called, or will be; None where its autosys.toml is broken."""
    if not (folder / "autosys.toml").exists():
        return folder.resolve().name
    try:
        return load(folder).name
    except AutosysError:
        return None


def plan(folder: Path) -> Plan:
    """What `init` would write into this folder; raises ConfigError when autosys.toml is there and is no file."""
    is_declared(folder)
    there = [name for name in WHY if os.path.lexists(folder / name)]
    steps = tuple(Step("write", name, why) for name, why in WHY.items() if name not in there)
    notes = [f"{name} is there already and stays as it is" for name in there]
    return Plan("init", steps, (*notes, *([OWN_TASKS] if finds_ours(folder) is False else [])))


def carry_out(plan: Plan, folder: Path) -> list[Outcome]:
    """Write those files; one that has appeared meanwhile stays as it is."""
    keep = [name for name in KEPT if (folder / name).is_file()]
    texts = {"autosys.toml": template(folder.resolve().name, keep), "tasks.py": TASKS}
    return [_write(step, folder / step.target, texts[step.target]) for step in plan.steps]


def _write(step: Step, path: Path, text: str) -> Outcome:
    if os.path.lexists(path):
        return Outcome(step, None, "is there already")
    write_atomic(path, text)  # of a full disk or a kill no empty tasks.py is left, which `inv` would take for ours
    return Outcome(step, True, step.reason)
