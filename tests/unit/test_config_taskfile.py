"""Whether `inv` finds our tasks by their names: asked of a person's tasks.py by running it in Invoke itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autosys_tasks.config import init_files
from autosys_tasks.config.taskfile import finds_ours

TASK = "from invoke import Collection, task\n\n\n@task\ndef build(c):\n    print(1)\n\n\n"
OURS = {
    "as init writes it": init_files.TASKS,
    "with a task of theirs": f"from autosys_tasks import ns\n{TASK}ns.add_task(build)\n",
    "under its own name, in brackets": "from autosys_tasks import (ns as ns)\n",
    "as Invoke's other name": "from autosys_tasks import __version__, ns as namespace\n",
    "after a mark of bytes": "\ufefffrom autosys_tasks import ns\r\n",
    "where the package may lack": f"try:\n    from autosys_tasks import ns\nexcept ImportError:\n    pass\n{TASK}",
    "this repository's": Path(__file__).parents[2].joinpath("tasks.py").read_text(encoding="utf-8"),
}
NOT_OURS = {
    "theirs alone": TASK,
    "nothing": "",
    "a part of theirs": f"{TASK}from autosys_tasks import ns as ours\nns = Collection(build, auto=ours)\n",
    "a part of theirs, under one name": f"{TASK}from autosys_tasks import ns\nns = Collection(build, auto=ns)\n",
    "spoken of": f"# from autosys_tasks import ns\n{TASK}",
    "another's": "from autosys_tasks_of_mine import ns\n",
}


@pytest.mark.only("posix")  # what Invoke makes of a text is the same everywhere
@pytest.mark.parametrize("text", [*OURS.values(), *NOT_OURS.values()], ids=[*OURS, *NOT_OURS])
def test_what_is_read_is_what_invoke_finds(text: str, tmp_path: Path) -> None:
    tmp_path.joinpath("tasks.py").write_text(text, encoding="utf-8", newline="")
    assert finds_ours(tmp_path) is (text in OURS.values())
    if "_of_mine" in text or "HERE" in text:
        return  # they do not run here
    found = subprocess.run(
        [sys.executable, "-m", "invoke", "bringup", "--help"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (found.returncode == 0) is (text in OURS.values()), found


def test_where_there_is_none_there_is_nothing_to_find(tmp_path: Path) -> None:
    assert finds_ours(tmp_path) is None
    tmp_path.joinpath("tasks.py").mkdir()
    assert finds_ours(tmp_path) is False
