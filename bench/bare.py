"""A folder with the least tasks.py: what `inv` itself costs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from room import outside_environment
from timing import Command

_TASKS = '''\
from invoke import task


@task
def noop(c):
    """Do nothing."""
'''


@contextmanager
def bare() -> Iterator[Path]:
    """The folder; it is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bench-bare-"))
    try:
        (folder / "tasks.py").write_text(_TASKS, encoding="utf-8", newline="\n")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def inv(folder: Path, *arguments: str) -> Command:
    """`inv` of the environment that runs this bench, in `folder`."""
    return Command([str(Path(sys.executable).with_name("inv")), *arguments], folder, outside_environment())
