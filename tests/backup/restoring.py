"""What the tests of restores share: a tree with everything awkward, an order, and what was said of each path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kept_trees import write

from autosys_tasks.backup.restore.run import Order, Report
from autosys_tasks.backup.values import Backup

POSIX = pytest.mark.only("posix")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A workspace with everything awkward that this system holds."""
    top = tmp_path / "책상 R&D"
    write(top / "a.txt", b"first\n")
    write(top / "문서/보고서 \U0001f600.txt", "가나다\n".encode() * 1000)
    write(top / "e\u0301/nfd.txt", b"nfd", mode=0o600)
    write(top / "empty", b"")
    write(top / ".env", b"TOKEN=hunter2\n", mode=0o600)
    write(top / "deep" / ("x" * 100) / ("y" * 100) / ("가" * 60) / "z.bin", os.urandom(200_000))
    (top / "nothing in it").mkdir()
    return top


def order(folder: Path, backup: Backup, to: Path, *paths: str, **more: object) -> Order:
    return Order(folder, backup, paths, to, **more)  # type: ignore[arg-type]


def details(report: Report) -> dict[str, tuple[bool | None, str]]:
    return {str(one.step.detail["path"]): (one.ok, one.detail) for one in report.outcomes}
