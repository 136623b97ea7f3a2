"""A program that is run to its end: with what it leaves behind, and when we end first."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rig

from autosys_tasks.host import child

SLEEPS = "import os, time; os.setsid() if {far} else None; open('there', 'w').close(); time.sleep(600)"
LEAVES = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {sleeps!r}], env=dict(os.environ, MARK={mark!r}))
while not os.path.exists("there"):
    time.sleep(0.01)
print("said", flush=True)
{then}
"""


@pytest.fixture
def mark() -> str:
    """What tells the processes of this test."""
    return f"autosys-test-{os.getpid()}-{time.monotonic_ns()}"


def leaves(mark: str, then: str, *, far: bool) -> list[str]:
    """A program that starts another one, which holds its output and lives long. `far`: in a session of its own."""
    return [sys.executable, "-c", LEAVES.format(sleeps=SLEEPS.format(far=far), mark=mark, then=then)]


@pytest.mark.only("posix")
@pytest.mark.parametrize("far", [False, True], ids=["in its session", "out of its session"])
def test_what_takes_too_long_is_ended_with_all_it_started(tmp_path: Path, mark: str, far: bool) -> None:
    began = time.monotonic()
    with pytest.raises(child.Late):
        child.run(leaves(mark, "time.sleep(600)", far=far), tmp_path, os.environ, 3.0)
    assert time.monotonic() - began < 30
    rig.wait_for(lambda: not list(rig.processes_with("MARK", mark)), what="what it had started to be gone")


BREEDS = """
import os, time
if os.fork():
    time.sleep(600)
os.setsid()
for _ in range(2000):
    if not os.fork():
        time.sleep(600)
    time.sleep(0.003)
time.sleep(600)
"""


@pytest.mark.only("posix")
def test_what_goes_on_starting_others_while_it_is_ended_leaves_none(tmp_path: Path, mark: str) -> None:
    with pytest.raises(child.Late):
        child.run([sys.executable, "-I", "-S", "-c", BREEDS], tmp_path, {**os.environ, "MARK": mark}, 1.0)
    left = list(rig.processes_with("MARK", mark))
    for process in left:
        process.kill()
    assert not left


@pytest.mark.only("posix")
def test_a_program_that_has_ended_has_ended_whoever_holds_its_output(tmp_path: Path, mark: str) -> None:
    began = time.monotonic()
    try:
        ended = child.run(leaves(mark, "sys.exit(7)", far=True), tmp_path, os.environ, 60.0)
    finally:
        for process in rig.processes_with("MARK", mark):
            process.kill()
    assert (ended.code, ended.out) == (7, b"said\n") and time.monotonic() - began < 30


@pytest.mark.only("posix")
def test_what_it_wrote_last_is_read_however_late_we_come_to_look(
    tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a machine that holds us up for a moment would cut short what git says, and nobody would know."""
    monkeypatch.setattr(child, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(child, "REST_S", 0.0)
    last = "sys.stdout.write('x' * 50_000); sys.stderr.write('y' * 9_000); sys.exit(7)"
    try:
        ended = child.run(leaves(mark, last, far=True), tmp_path, os.environ, 60.0)
    finally:
        for process in rig.processes_with("MARK", mark):
            process.kill()
    assert (ended.code, ended.out, ended.err) == (7, b"said\n" + b"x" * 50_000, b"y" * 9_000)


@pytest.mark.only("posix")
def test_a_program_that_a_thread_still_runs_ends_when_we_do(tmp_path: Path, mark: str) -> None:
    """A page of checks leaves the thread of one that is late behind, and the git that it asks with it.

    Also when that thread is amid the start: the program runs, and it does not know it yet. Whatever `end` spares then
    (the services of a tick) is spared now.
    """
    argv = [sys.executable, "-c", SLEEPS.format(far=False)]
    body = (
        "import os, threading, time\n"
        "from autosys_tasks.host import child\n"
        "class Slow(child.subprocess.Popen):\n"
        "    def __init__(self, *args, **more):\n"
        "        super().__init__(*args, **more)\n        time.sleep(0.3)\n"
        "child.subprocess.Popen = Slow\n"
        "def end(pid):\n    open('ended', 'w').close()\n    child.end_tree(pid)\n"
        f"run = lambda: child.run({argv!r}, '.', dict(os.environ, MARK={mark!r}), 600.0, end=end)\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "while not os.path.exists('there'):\n    time.sleep(0.01)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(rig.REPOSITORY)}
    subprocess.run([sys.executable, "-c", body], cwd=tmp_path, env=env, check=True, timeout=60)
    rig.wait_for(lambda: not list(rig.processes_with("MARK", mark)), what="the program to be gone")
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize("rests", ["before", "after"])
def test_all_of_a_long_input_is_given_and_all_of_a_long_output_is_read(tmp_path: Path, rests: str) -> None:
    """Also when it begins to read, or to write, later than we look for the first time whether it has ended."""
    rest, read = "time.sleep(0.7)", "said = sys.stdin.buffer.read()"
    steps = (rest, read) if rests == "before" else (read, rest)
    write = "open(1, 'wb').write(said)"  # all of it: with PYTHONUNBUFFERED `sys.stdout` may write a part
    echo = "; ".join(("import sys, time", *steps, write))
    given = os.urandom(3_000_000)
    assert child.run([sys.executable, "-c", echo], tmp_path, os.environ, 60.0, given=given).out == given


def test_who_ends_without_reading_its_input_has_ended(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('enough')"]
    ended = child.run(argv, tmp_path, os.environ, 60.0, given=bytes(3_000_000))
    assert (ended.code, ended.out.split()) == (0, [b"enough"])
