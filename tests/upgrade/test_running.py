"""What is told of an installer that failed: the lines that name the error, wherever it said them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autosys_tasks import host
from autosys_tasks.upgrade.commands import Command
from autosys_tasks.upgrade.running import InstallError, RunContext, reason, run, run_checked

NPM = """\
npm error code ECONNREFUSED
npm error syscall connect
npm error errno ECONNREFUSED
npm error FetchError: request to http://127.0.0.1:9/left failed, reason: connect ECONNREFUSED 127.0.0.1:9
npm error     at ClientRequest.<anonymous> (/usr/lib/node_modules/npm/minipass-fetch/lib/index.js:130:14)
npm error     at process.processTicksAndRejections (node:internal/process/task_queues:83:21) {
npm error   code: 'ECONNREFUSED',
npm error   requiredBy: '.'
npm error }
npm error
npm error If you are behind a proxy, please make sure that the 'proxy' config is set properly.
npm error A complete log of this run can be found in: /home/me/.npm/_logs/debug-0.log"""
UV = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because only tiny==1.0 is available and you require tiny==9.9, we can
      conclude that your requirements are unsatisfiable."""
FULL = """\
warning: Failed to hardlink files; falling back to full copy. This may lead to degraded performance.
         If this is intentional, set `export UV_LINK_MODE=copy` or use `--link-mode=copy` to suppress this warning.
error: Failed to install: x-1.0-py3-none-any.whl (x==1.0)
  cause: failed to copy file from /c/x to /v/x: No space left on device (os error 28)"""
BUILD = """\
Collecting x
  error: subprocess-exited-with-error
  × Building wheel for x (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [6 lines of output]
      running build
      foo.c:1:10: fatal error: Python.h: No such file or directory
      compilation terminated.
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for x
Failed to build x
ERROR: Could not build wheels for x, which is required to install pyproject.toml-based projects"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (NPM, "reason: connect ECONNREFUSED 127.0.0.1:9"),
        (UV, "No solution found"),
        (UV, "only tiny==1.0 is available"),
        (FULL, "error: Failed to install: x-1.0-py3-none-any.whl (x==1.0) | cause: failed to copy"),
        (BUILD, "Python.h: No such file"),
        (BUILD, "Could not build wheels"),
        ("\n".join(f"line {number}" for number in range(90)), "line 89"),
    ],
)
def test_the_reason_is_told_wherever_it_stands(said: str, told: str) -> None:
    found = reason(said.splitlines())
    assert told in found
    noises = ("processTicks", "complete log", "hardlink")
    assert len(found.split(" | ")) <= 8 and not any(noise in found for noise in noises)


@pytest.fixture
def bench(tmp_path: Path) -> RunContext:
    lock = host.take_lock(str(tmp_path / "lock"))
    assert lock is not None
    (tmp_path / "log").touch()
    return RunContext(str(tmp_path / "log"), lock, {"PATH": "/usr/bin:/bin"}, time.monotonic() + 30)


@pytest.mark.only("posix")
def test_every_line_of_a_command_is_kept_the_first_too_and_no_login(bench: RunContext, tmp_path: Path) -> None:
    """What fits together no more is compared line by line: one that is lost is one that nobody sees."""
    script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo complaint $n; done; echo http://me:secret@host/x; exit 1"
    code, said = run(Command(("sh", "-c", script), str(tmp_path)), bench)
    assert code == 1 and said == [*(f"complaint {number}" for number in range(1, 13)), "http://***@host/x"]
    with pytest.raises(InstallError, match=r"ended with 1: complaint 10 \| complaint 11") as caught:
        run_checked(Command(("sh", "-c", script), str(tmp_path)), bench)
    assert "secret" not in str(caught.value)
    with pytest.raises(InstallError, match=r"ended with 3, and said nothing \(all of it"):
        run_checked(Command(("sh", "-c", "exit 3"), str(tmp_path)), bench)
    bench.lock.release()
