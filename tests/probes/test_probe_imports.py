"""What asking costs at start-up: the guard lives for weeks, and a tick for a tenth of a second."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import autosys_tasks

HEAVY = {
    "asyncio", "ctypes", "email", "filelock", "http", "logging", "psutil", "selectors", "socket", "ssl",
    "subprocess", "tempfile", "urllib", "invoke",
}  # fmt: skip
HOUSE = "from autosys_tasks.core.probe import Probe; from autosys_tasks.probes import Subject, ask; "


def loaded_by(code: str, *args: str) -> set[str]:
    """The modules that a bare interpreter has loaded after that."""
    root = str(Path(autosys_tasks.__file__).parent.parent)
    program = (
        f"import sys; sys.path.insert(0, {root!r}); {code}; import json; print(json.dumps(list(sys.modules)))"
    )
    out = subprocess.check_output([sys.executable, "-I", "-S", "-c", program, *args], text=True)
    return set(json.loads(out.splitlines()[-1]))


def test_the_room_itself_loads_nothing_heavy():
    loaded = loaded_by("import autosys_tasks.probes")
    assert not loaded & HEAVY
    ours = {name for name in loaded if name.startswith("autosys_tasks.probes")}
    assert ours == {"autosys_tasks.probes", "autosys_tasks.probes.values"}
    assert len(loaded - loaded_by("import typing, time")) < 15


@pytest.mark.parametrize(
    ("question", "needs"),
    [
        ("Probe('heartbeat'), Subject(heartbeat='x')", set()),
        ("Probe('file', 'x')", set()),
        ("Probe('log', 'x'), Subject(log='x')", set()),
        ("Probe('tcp', '127.0.0.1:1')", {"socket", "selectors"}),
        ("Probe('http', 'http://127.0.0.1:1/', json={'a': 1})", {"socket", "selectors"}),
    ],
)
def test_each_kind_loads_only_what_it_needs(question, needs):
    assert loaded_by(f"{HOUSE}ask({question})") & HEAVY == needs


def test_a_whole_http_answer_is_read_without_the_standard_librarys_client(says, reply):
    port = says(reply(b'{"a": 1}')).port
    loaded = loaded_by(
        f"{HOUSE}assert ask(Probe('http', 'http://127.0.0.1:{port}/', json={{'a': 1}})).verdict == 'OK'"
    )
    assert loaded & HEAVY == {"socket", "selectors"}
