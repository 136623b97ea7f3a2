"""command questions: exit 0 is yes; whatever it does, it is over at the deadline and leaves nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from rig import wait_for

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK
from autosys_tasks.probes import Subject, ask


def python(code: str, *args: object, **more: object) -> Probe:
    """A question to a Python program, which may be long in starting."""
    argv = (sys.executable, "-c", code, *map(str, args))
    return Probe("command", argv=argv, **{"timeout_s": 100.0, **more})  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_exit_0_is_ok():
    answer = ask(python("print('hello')"))
    assert (answer.verdict, answer.why) == (OK, "")
    assert answer.evidence == f"exit 0 in {max(1, round(answer.ms))} ms"


def test_another_exit_code_is_told_with_the_last_line():
    code = "import sys; print('a', flush=True); print('database is locked', file=sys.stderr); sys.exit(3)"
    answer = ask(python(code))
    assert (answer.verdict, answer.why) == (NG, "exit 3: database is locked")
    assert ask(python("import sys; sys.exit(4)")).why == "exit 4"


@pytest.mark.only("posix")
def test_a_signal_is_told():
    answer = ask(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert answer.why == f"ended by signal {signal.SIGKILL.value}"


def test_what_cannot_run_is_told_apart(tmp_path):
    plain = tmp_path / "plain.sh"
    plain.write_text("#!/no/such/interpreter\n", encoding="utf-8")
    assert ask(Probe("command", argv=("no-such-program",))).why == "cannot run `no-such-program`: not found"
    away = ask(python("pass"), Subject(cwd=str(tmp_path / "away")))
    assert away.why == f"cannot run `{sys.executable}`: the folder `{tmp_path / 'away'}` is missing"
    assert ask(Probe("command")).why == "the command is empty"
    assert "hold a character" in ask(Probe("command", argv=("a\0b",))).why
    if os.name == "posix":
        assert ask(Probe("command", argv=(str(plain),))).why == f"cannot run `{plain}`: no right to run it"
        plain.chmod(0o755)
        assert (
            "the interpreter that its first line names is missing"
            in ask(Probe("command", argv=(str(plain),))).why
        )
        plain.write_bytes(b"\x7fnothing")
        assert ask(Probe("command", argv=(str(plain),))).why == f"cannot run `{plain}`: not a program"


def test_it_runs_in_the_services_folder_with_the_services_environment(tmp_path):
    env = {**os.environ, "COLOUR": "blue", "AUTOSYS_FAULT": "x:kill"}
    code = (
        "import os, sys; sys.exit(f\"{os.environ['COLOUR']} {'AUTOSYS_FAULT' in os.environ} {os.getcwd()}\")"
    )
    answer = ask(python(code), Subject(cwd=str(tmp_path), env=env))
    assert answer.why == f"exit 1: blue False {tmp_path.resolve()}"


@pytest.mark.only("posix")
def test_a_program_is_found_on_the_services_own_path(tmp_path):
    own = tmp_path / "bin" / "is-ready"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    own.chmod(0o755)
    subject = Subject(cwd=str(tmp_path), env={"PATH": str(own.parent)})
    assert ask(Probe("command", argv=("is-ready",)), subject).verdict == OK
    assert ask(Probe("command", argv=("bin/is-ready",)), Subject(cwd=str(tmp_path))).verdict == OK


FAMILY = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
own = {"start_new_session": True} if sys.argv[2] == "own" else {}
child = subprocess.Popen(sleep, **own)
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
print("still waiting", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("session", ["same", "own"])
def test_at_the_deadline_the_whole_tree_is_killed(tmp_path, session):
    """Grandchildren survive a naive kill, all the more those in a session of their own."""
    pids = tmp_path / "pids"
    for timeout_s in (1.0, 8.0, 60.0):  # on a busy machine it has not even begun after one
        began = time.monotonic()
        answer = ask(python(FAMILY, pids, session, timeout_s=timeout_s))
        assert time.monotonic() - began < timeout_s + 30, "of 600"
        if answer.why.endswith("still waiting"):
            break
    assert (answer.verdict, answer.why) == (NG, f"timed out after {timeout_s:g} s: still waiting")
    for pid in map(int, pids.read_text(encoding="utf-8").split()):
        wait_for(lambda pid=pid: gone(pid))


LEAVER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
"""


def test_a_child_that_is_left_behind_neither_delays_the_answer_nor_lives_on(tmp_path):
    pid = tmp_path / "pid"
    answer = ask(python(LEAVER, pid))
    assert answer.verdict == OK
    assert answer.ms < 50_000, "half of its deadline"
    wait_for(lambda: gone(int(pid.read_text(encoding="utf-8"))))


def test_a_talkative_command_neither_blocks_nor_fills_the_memory():
    code = "import sys\nfor n in range(800): sys.stdout.write('x' * 99_999 + '\\n')\nsys.exit('the end')"
    assert ask(python(code)).why == "exit 1: the end"
    for timeout_s in (0.5, 8.0, 60.0):
        why = ask(python("while True: print('x' * 1000)", timeout_s=timeout_s)).why
        if told := why.startswith(f"timed out after {timeout_s:g} s: x"):
            break
    assert told, why


def test_a_command_that_closes_its_output_is_still_waited_for():
    code = "import os, sys, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(5)"
    assert ask(python(code)).why == "exit 5"
    hung = "import os, time; os.close(1); os.close(2); time.sleep(600)"
    assert ask(python(hung, timeout_s=0.4)).why == "timed out after 0.4 s"


def test_what_a_command_says_is_shown_without_secrets_and_in_one_short_line():
    probe = python("import sys; sys.exit('key hunter2 \\x1b[31m' + 'y' * 500)", secrets=("hunter2",))
    why = ask(probe).why
    assert why.startswith("exit 1: key *** ")
    assert len(why) < 180
    assert why.isprintable()


def test_a_command_under_way_ends_with_who_asked(tmp_path):
    """A deadline for all leaves late threads behind; what they run must not live on as a stray."""
    code = (
        "import sys, time\n"
        "from autosys_tasks.core.probe import Probe\n"
        "from autosys_tasks.probes import ask\n"
        "from autosys_tasks.probes.concurrent import ask_all\n"
        f"argv = (sys.executable, '-c', {FAMILY!r}, sys.argv[1], 'same')\n"
        "slow = lambda: ask(Probe('command', argv=argv, timeout_s=60))\n"
        "print(ask_all({'slow': slow}, float(sys.argv[2]))['slow'].why)\n"
    )
    pids = tmp_path / "pids"
    for within_s in (1, 8, 60):  # on a busy machine it has not even begun after one
        argv = [sys.executable, "-c", code, pids, str(within_s)]
        out = subprocess.run(argv, capture_output=True, encoding="utf-8", timeout=100)
        assert out.stdout.strip() == f"`slow` did not answer within {within_s} s"
        if pids.exists():
            break
    for pid in map(int, pids.read_text(encoding="utf-8").split()):
        wait_for(lambda pid=pid: gone(pid))
