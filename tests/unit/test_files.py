"""Small files, whole or not at all: also on a disk that takes only a part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autosys_tasks.core import files

SCRIPT = """
import os, resource, sys
from pathlib import Path
from autosys_tasks.core import files, journal
from autosys_tasks.core.errors import StateError
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # as a disk with one block left: the rest is not taken
append = lambda path: os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
for act in (
    lambda: files.write_atomic(folder / "page.json", "x" * 10000),
    lambda: journal.append(folder / "log.jsonl", {"v": 1, "text": "x" * 10000}, append),
):
    try:
        act()
    except StateError as error:
        print(error.where)
"""


@pytest.mark.only("posix")
def test_a_disk_that_takes_only_a_part_is_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    """Interface 2: 1, a folder that cannot be written, named. A truncated page would be a green that lies."""
    (tmp_path / "page.json").write_text("old", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(tmp_path / "page.json"), str(tmp_path / "log.jsonl")]
    assert (tmp_path / "page.json").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "page.json"]


ROTATE = """
import os, resource, sys
from autosys_tasks.supervise import logs
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
print(logs.rotate_running(sys.argv[1], 1000, 2))
"""


@pytest.mark.only("posix")
def test_a_log_whose_head_does_not_fit_beside_it_loses_no_line(tmp_path: Path) -> None:
    """Its copy is cut short by a full disk: then nothing is taken out, and nothing is left lying about."""
    log = tmp_path / "api.log"
    log.write_bytes(b"a line\n" * 100_000)
    done = subprocess.run([sys.executable, "-c", ROTATE, str(log)], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["api.log"] and log.stat().st_size == 700_000


def test_a_name_that_is_no_utf8_breaks_no_document(tmp_path: Path) -> None:
    """LC_ALL=C gives Hangul paths as lone surrogates."""
    files.write_atomic(tmp_path / "page.json", json.dumps({"path": "\udcec\udcb1"}, ensure_ascii=False))
    assert json.loads((tmp_path / "page.json").read_text(encoding="utf-8")) == {"path": "\udcec\udcb1"}
