"""Work that several processes share: each job's result comes once and in its turn, whoever dies; nobody is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import rig

from autosys_tasks.backup import threads
from autosys_tasks.backup.fork_pool import ForkPool

pytestmark = pytest.mark.only("linux")
JOBS = list(range(40))
BEGIN = """
import os, signal, sys, time
from autosys_tasks.backup import threads
from autosys_tasks.backup.fork_pool import ForkPool
threads.worker_count = lambda: 3
me = os.getpid()
"""
END = """
try:
    os.waitpid(-1, 0)
    print("somebody is left")
except ChildProcessError:
    print("nobody is left")
"""


def said(code: str) -> list[str]:
    """What a Python of one thread says of such work: in the one that runs these tests other threads are."""
    argv = [sys.executable, "-c", f"{BEGIN}{code}{END}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_results_come_in_their_turn_from_several_processes() -> None:
    lines = said("""
def work(job):
    time.sleep(0.02 if job == 0 else 0)
    return job, os.getpid() == me, bytes(job * 100_000)
with ForkPool(range(40), work) as results:
    got = list(results)
print([job for job, _, _ in got] == list(range(40)), any(mine for _, mine, _ in got))
print([len(data) for _, _, data in got] == [job * 100_000 for job in range(40)])
""")
    assert lines == ["True False", "True", "nobody is left"]


def test_what_a_killed_one_had_is_done_here() -> None:
    lines = said("""
def work(job):
    if job in (7, 39) and os.getpid() != me:
        os.kill(os.getpid(), signal.SIGKILL)
    return job
with ForkPool(range(40), work) as results:
    print(list(results) == list(range(40)))
""")
    assert lines == ["True", "nobody is left"]


def test_what_work_raises_is_raised_here() -> None:
    lines = said("""
def work(job):
    return 1 // (job - 20)
try:
    with ForkPool(range(40), work) as results:
        for count, _ in enumerate(results): pass
except ZeroDivisionError:
    print(count)
""")
    assert lines == ["19", "nobody is left"]


def test_nobody_is_left_when_the_rest_is_not_wanted() -> None:
    lines = said("""
with ForkPool(range(1000), lambda job: bytes(1 << 21)) as results:
    print(len(next(results)) == 1 << 21)
with ForkPool([], lambda job: job) as results:
    print(list(results))
""")
    assert lines == ["True", "[]", "nobody is left"]


def test_a_ctrl_c_is_the_parents_alone() -> None:
    lines = said("""
os.setpgid(0, 0)
def work(job):
    if job == 5 and os.getpid() != me:
        os.killpg(me, signal.SIGINT)
    return job
try:
    with ForkPool(range(40), work) as results:
        for _ in results: time.sleep(0.01)
except KeyboardInterrupt:
    print("interrupted")
""")
    assert lines == ["interrupted", "nobody is left"]


def test_none_outlives_one_that_is_killed(tmp_path: Path) -> None:
    code = f"""{BEGIN}
def work(job):
    open(r"{tmp_path}/" + str(os.getpid()), "w").close()
    return bytes(1 << 21)
with ForkPool(range(1000), work) as results:
    next(results)
    print("ready", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout and parent.stdout.readline() == b"ready\n"
        rig.wait_for(lambda: len(list(tmp_path.iterdir())) == 3, what="three copies at work")
        parent.send_signal(signal.SIGKILL)
    copies = [int(path.name) for path in tmp_path.iterdir()]
    rig.wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in copies), what="the copies' end")


def test_beside_other_threads_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "worker_count", lambda: 3)
    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    try:
        with ForkPool(JOBS, lambda job: (job, os.getpid())) as results:
            assert list(results) == [(job, os.getpid()) for job in JOBS]
    finally:
        release.set()
        other.join()
