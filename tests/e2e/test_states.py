"""Every state of `ps`, reached for real."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import rig
from seen import becomes, kill, row, rows, unchanged

from autosys_tasks import host
from autosys_tasks.core.clock import parse_utc
from autosys_tasks.supervise import show
from autosys_tasks.supervise.values import Facts

QUICK = "[watchdog]\nretries = 2\nbackoff_s = [0, 0.1, 0.2]\n"


def test_up_stopped_and_up_again(workspace: rig.Workspace) -> None:
    port = rig.free_port()
    workspace.service("api", "listens.py", port, more=f'purpose = "답한다"\nreadiness.tcp = "127.0.0.1:{port}"')
    assert row(workspace, "api")["state"] == "down"
    workspace.cli("bringup").rc(0).says("OK")
    seen = row(workspace, "api")
    assert seen["state"] == "ready" and seen["wanted"] == "up"
    assert seen["ports"] == ([port] if rig.tells_whose_ports() else [])
    assert seen["purpose"] == "답한다" and isinstance(seen["uptime_s"], float) and seen["rss_bytes"]
    pid = seen["pid"]
    workspace.cli("bringup").rc(0)
    assert row(workspace, "api")["pid"] == pid
    workspace.cli("down", "api").rc(0)
    seen = row(workspace, "api")
    assert (seen["state"], seen["wanted"], seen["pid"], seen["rss_bytes"]) == ("stopped", "down", None, None)
    assert seen["safe_to_close"] is True
    workspace.cli("watchdog").rc(0)
    workspace.cli("bringup", "--wanted").rc(0)
    assert row(workspace, "api")["state"] == "stopped"
    workspace.cli("bringup", "api").rc(0)
    assert row(workspace, "api")["state"] == "ready"
    workspace.cli("down").rc(0)
    assert not workspace.alive()


def test_starting_then_unready_then_ready(workspace: rig.Workspace) -> None:
    port, status = rig.free_port(), workspace.root / "status"
    status.write_text("503", encoding="ascii")
    more = f'readiness = {{ http = "http://localhost:{port}/", failure_threshold = 2 }}'
    workspace.service("api", "listens.py", port, "--status", status, more=more)

    def said() -> str:
        return workspace.cli("bringup", "--no-guard", "--timeout", "1").rc(3).out

    rig.wait_for(lambda: "503" in said(), what="its first answer")
    assert row(workspace, "api")["state"] == "starting"
    status.write_text("200", encoding="ascii")
    workspace.cli("bringup", "--no-guard").rc(0)
    status.write_text("500", encoding="ascii")
    seen = row(workspace, "api")
    assert seen["state"] == "unready" and "500" in str(seen["reason"])
    workspace.cli("watchdog").rc(3)
    status.write_text("200", encoding="ascii")
    assert row(workspace, "api")["state"] == "ready"


def test_backoff_blocked_half_open_and_reset(workspace: rig.Workspace) -> None:
    """P2; pains 9 and 10: neither a storm nor giving up for good."""
    workspace.write("[watchdog]\nretries = 1\nbackoff_s = [0, 60]\n")
    more = 'readiness.log = "never said"'  # on a busy machine it lives for longer than 0.3 s
    workspace.service("bad", "crashes.py", 0, 7, more=more).service("good", "sleeps.py")
    for timeout_s in (1, 8, 40):  # on a busy machine even an interpreter's start and end may take a second
        workspace.cli("bringup", "--no-guard", "--timeout", timeout_s).rc(3)
        seen = row(workspace, "bad")
        if seen["state"] == "backoff" and parse_utc(str(seen["next_attempt_at"])) > time.time() + 2:
            break
    assert seen["state"] == "backoff" and seen["last_exit"]["code"] == 7  # type: ignore[index]
    assert "this is the last line before the crash" in seen["last_exit"]["log_tail"]  # type: ignore[index]
    died = str(seen["last_exit"]["at"])  # type: ignore[index]
    assert parse_utc(str(seen["next_attempt_at"])) > parse_utc(died) + 2
    workspace.cli("watchdog", env={"AUTOSYS_NOW": "2099-01-01T00:00:00Z"}).rc(3)
    assert row(workspace, "bad")["state"] == "blocked"
    count = len(workspace.starts())
    workspace.cli("watchdog").rc(3)
    assert len(workspace.starts()) == count, "a blocked service is left alone"
    workspace.cli("watchdog", env={"AUTOSYS_NOW": "2100-01-01T00:00:00Z"}).rc(3)
    assert len(workspace.starts()) == count + 1, "and tried once after long"
    assert row(workspace, "bad")["state"] == "blocked"

    def look() -> None:
        plan = workspace.cli("watchdog", "--reset", "bad", "--dry-run", "--json").rc(0).json()
        assert [(step["kind"], step["target"]) for step in plan["steps"]] == [("reset", "bad")]  # type: ignore[attr-defined]

    unchanged(workspace, look)
    cleared = workspace.cli("watchdog", "--reset", "bad", "--json").rc(0).json()
    assert cleared["outcomes"][0]["kind"] == "reset" and cleared["summary"]["done"] == 1  # type: ignore[index, call-overload]
    workspace.cli("watchdog", "--reset", "bad").rc(0).says("nothing to clear")
    toml = (workspace.root / "autosys.toml").read_text(encoding="utf-8")
    workspace.write(toml.replace("[0, 60]", "[0, 0.1]"))  # the tick awaits the second start
    workspace.cli("watchdog").rc(3)
    assert len(workspace.starts()) == count + 3
    assert row(workspace, "good")["state"] == "ready", "one bad service is no bad workspace"


def test_waiting_for_a_dependency_is_no_failure(workspace: rig.Workspace) -> None:
    workspace.write(QUICK).service("db", "crashes.py")
    workspace.service("api", "sleeps.py", more='depends_on = ["db"]')
    done = workspace.cli("bringup", "--no-guard").rc(3)
    done.says("waits for db", "autosys bringup db")
    assert row(workspace, "api")["state"] == "waiting"
    assert "sleeps" not in (workspace.outputs / "logs").iterdir().__repr__()


@pytest.mark.only("posix")
def test_leftover_children_are_seen_and_ended(workspace: rig.Workspace) -> None:
    """Pains 2 and 3: a grandchild in a session of its own outlives its leader."""
    workspace.service("api", "forks.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    rig.wait_for(lambda: len(workspace.starts()) == len(workspace.alive()) == 2, what="it, and its grandchild")
    kill(row(workspace, "api")["pid"])
    seen = row(workspace, "api")
    assert seen["state"] == "leftover" and seen["safe_to_close"] is True
    orphan = seen["pid"]
    assert isinstance(orphan, int) and rig.lives(orphan) and str(orphan) in str(seen["reason"])
    workspace.cli("down", "api").rc(0)
    assert not rig.lives(orphan)


@pytest.mark.only("posix")
def test_a_tick_ends_what_a_dead_leader_left_and_starts_again(workspace: rig.Workspace) -> None:
    workspace.service("api", "forks.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    rig.wait_for(lambda: len(workspace.starts()) == len(workspace.alive()) == 2, what="it, and its grandchild")
    kill(row(workspace, "api")["pid"])
    orphan = row(workspace, "api")["pid"]
    workspace.cli("watchdog").rc(0)
    assert isinstance(orphan, int) and not rig.lives(orphan)
    assert row(workspace, "api")["state"] == "ready"


@pytest.mark.only("posix")
def test_a_program_that_goes_into_the_background_is_no_storm(workspace: rig.Workspace) -> None:
    """P2: what its leader left behind is ended each time, and each time is a failed start."""
    workspace.write(QUICK).service("api", "forks.py", "--leave", more='readiness.log = "never"')
    workspace.cli("bringup", "--no-guard", "--timeout", "90").rc(3).says("keep api in the foreground")
    seen = row(workspace, "api")
    assert seen["state"] == "blocked" and "gone and left behind pid" in str(seen["reason"]), "true of the dead, too"
    starts = [line for line in workspace.cli("journal", "--json").json()["lines"] if line["step"] == "start"]  # type: ignore[attr-defined]
    assert len(starts) == 3 and not workspace.alive()


@pytest.mark.only("posix")
def test_a_job_that_ends_well_is_done_whatever_it_left_running(workspace: rig.Workspace) -> None:
    """It did what was asked: what it left is ended, and is no reason to run it again."""
    workspace.write(QUICK).service("job", "forks.py", "--leave", more="oneshot = true")
    workspace.cli("bringup", "--no-guard", "--timeout", "60").rc(0)
    assert row(workspace, "job")["state"] == "done"
    workspace.cli("watchdog").rc(0)
    starts = [line for line in workspace.cli("journal", "--json").json()["lines"] if line["step"] == "start"]  # type: ignore[attr-defined]
    assert len(starts) == 1 and not workspace.alive()


@pytest.mark.only("posix")
def test_in_another_locale_nothing_runs_as_another_declaration_said(workspace: rig.Workspace) -> None:
    """Its folder has Hangul in its path, which LC_ALL=C gives byte by byte."""
    assert not str(workspace.root).isascii()
    workspace.service("api", "sleeps.py", more='env = { A = "값", B = "${env:HANGUL}" }')
    workspace.cli("bringup", "--no-guard", env={"HANGUL": "한"}).rc(0)
    bare = {"HANGUL": "한", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (check,) = workspace.cli("health", "--only", "config", "--json", env=bare).rc(0).json()["checks"]  # type: ignore[misc]
    assert check["verdict"] == "OK", check
    changed = workspace.cli("health", "--only", "config", "--json", env={**bare, "HANGUL": "글"}).rc(0).json()
    assert "was another: api" in changed["checks"][0]["why"]  # type: ignore[index]


def test_a_foreign_process_on_the_port_is_named_and_not_fought(workspace: rig.Workspace) -> None:
    """Pain 8."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        workspace.service("api", "listens.py", port, more=f'readiness.http = "http://127.0.0.1:{port}/"')
        named = [f"pid {os.getpid()}"] if rig.tells_whose_ports() else ["somebody"]
        workspace.cli("bringup", "--no-guard").rc(3).says(*named)
        assert row(workspace, "api")["state"] == "foreign"
        assert not workspace.starts()
    workspace.cli("watchdog").rc(0)
    assert row(workspace, "api")["state"] == "ready"


def test_a_foreign_process_that_listens_on_ipv6_alone_is_found_too(workspace: rig.Workspace) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        try:
            taken.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
        taken.listen()
        port = taken.getsockname()[1]
        workspace.service("api", "sleeps.py", more=f'readiness.tcp = "[::1]:{port}"')
        workspace.cli("bringup", "--no-guard").rc(3).says("its port is held by")
        assert not workspace.starts()


def test_jobs_run_once_and_hold_back_who_needs_them(workspace: rig.Workspace) -> None:
    workspace.write(QUICK).service("job", "crashes.py", 0.3, 0, more="oneshot = true")
    workspace.service("api", "sleeps.py", more='depends_on = ["job"]')
    workspace.cli("bringup", "--no-guard").rc(0)
    assert {name: seen["state"] for name, seen in rows(workspace).items()} == {"job": "done", "api": "ready"}
    starts = workspace.starts()
    assert starts[1][1] - starts[0][1] > 0.25
    workspace.cli("bringup", "--no-guard").rc(0)
    workspace.cli("watchdog").rc(0)
    assert workspace.starts() == starts
    workspace.cli("restart", "job").rc(0)
    assert len(workspace.starts()) == 3, "who restarts a job has it run again"


def test_a_job_that_fails_is_tried_again_and_then_blocked(workspace: rig.Workspace) -> None:
    workspace.write(QUICK).service("job", "crashes.py", 0, 5, more="oneshot = true")
    workspace.cli("bringup", "--no-guard").rc(3)
    assert row(workspace, "job")["state"] == "blocked"
    assert len(workspace.starts()) == 3


@pytest.mark.only("posix")
def test_how_a_program_ended_is_known_however_quick_it_was(workspace: rig.Workspace) -> None:
    """`oneshot`: ready when it exited 0; a parent is told once how its child ended."""
    names = [f"{kind}{number}" for kind in ("well", "ill") for number in range(6)]
    workspace.write("".join(
        f'[services.{name}]\noneshot = true\nrestart = "never"\ncommand = ["{"true" if "well" in name else "false"}"]\n'
        for name in names
    ))  # fmt: skip
    for _again in range(3):
        workspace.cli("restart", *names).rc(3)
        ended = {name: seen["last_exit"]["code"] for name, seen in rows(workspace).items()}  # type: ignore[index]
        assert ended == {name: 0 if "well" in name else 1 for name in names}


def test_only_watched_is_never_touched(workspace: rig.Workspace) -> None:
    port = rig.free_port()
    more = f'managed = false\nreadiness.tcp = "127.0.0.1:{port}"'
    workspace.service("theirs", "listens.py", port, more=more)
    assert row(workspace, "theirs")["state"] == "unmanaged"
    workspace.cli("bringup", "--no-guard").rc(3).says("refused", "start or mend it")
    optional = workspace.root / "autosys.toml"
    optional.write_text(optional.read_text(encoding="utf-8") + "optional = true\n", encoding="utf-8")
    workspace.cli("bringup", "--no-guard").rc(0)
    workspace.cli("watchdog", "--dry-run").rc(0)
    assert not workspace.starts()
    with socket.socket() as answers:
        answers.bind(("127.0.0.1", port))
        answers.listen()
        workspace.cli("bringup", "--no-guard").rc(0)
        plan = workspace.cli("restart", "theirs", "--dry-run", "--json").rc(0).json()
        assert plan["steps"] == [] and "theirs" in str(plan["notes"])
        workspace.cli("down", "theirs").rc(0).says("managed = false")
        workspace.cli("down").rc(0)
    assert not workspace.starts()


def test_a_question_that_was_wrong_from_the_start_costs_no_restart(workspace: rig.Workspace) -> None:
    """P9: who answers 404 or 403 lives; a restart takes away what works. The right answer is heard when it comes."""
    port, status = rig.free_port(), workspace.file("status", "404")
    asks, within_s = f'http = "http://127.0.0.1:{port}/"', 8 if sys.platform == "win32" else 4
    more = f"readiness = {{ {asks}, start_timeout_s = {within_s} }}\nliveness = {{ {asks}, interval_s = 0.2 }}"
    workspace.service("api", "listens.py", port, "--status", status, more=more)
    done = workspace.cli("bringup", "--timeout", "90").rc(3)
    done.says(f"not ready within {within_s} s", "correct what is asked of")
    assert done.took_s < 45, "nothing to wait for"
    workspace.cli("watchdog").rc(3).says("check misconfigured")
    assert row(workspace, "api")["state"] == "unready"
    status.write_text("200", encoding="ascii")
    becomes(workspace, "api", "ready")
    workspace.cli("watchdog").rc(0)
    status.write_text("403", encoding="ascii")  # Jupyter, of who has no token
    becomes(workspace, "api", "unready")
    workspace.cli("watchdog").rc(3).says("check misconfigured")
    assert len(workspace.starts()) == 1, (workspace.outputs / "watchdog_log.jsonl").read_text("utf-8")


@pytest.mark.parametrize("task", ["bringup", "restart"])
def test_only_watched_is_judged_by_its_answer_after_the_starts_not_before(workspace: rig.Workspace, task: str) -> None:
    """A gateway that answers for what this very run starts; who waits for it is started too."""
    port = rig.free_port()
    asks = f'readiness.tcp = "127.0.0.1:{port}"'
    workspace.service("api", "listens.py", port, more=asks)
    workspace.service("theirs", "sleeps.py", more=f"managed = false\n{asks}")
    workspace.service("after", "sleeps.py", more='depends_on = ["theirs"]')
    workspace.cli("bringup", "after", "--no-guard").rc(3).says("-> start or mend theirs: only watched")
    red = workspace.cli("health", "--only", "service.after", "--json").rc(3).json()["checks"][0]  # type: ignore[index]
    assert "it needs theirs, which is only watched" in red["fix"]["text"]
    names = ["api", "after"] if task == "restart" else ["--no-guard"]
    workspace.cli(task, *names).rc(0)
    assert {name: seen["state"] for name, seen in rows(workspace).items()} == {
        "api": "ready", "theirs": "unmanaged", "after": "ready"
    }  # fmt: skip


def test_a_restart_is_told_as_one_and_not_as_a_stop_by_a_person(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    planned = {step["reason"] for step in workspace.cli("restart", "api", "--dry-run", "--json").json()["steps"]}  # type: ignore[attr-defined]
    workspace.cli("restart", "api").rc(0)
    told = workspace.cli("journal", "--task", "restart", "--json").json()["lines"]
    said = {line["reason"] for line in told if line["step"] != "summary"}  # type: ignore[attr-defined]
    assert said == planned == {"asked to be restarted"}


def test_a_program_that_an_environment_lacks_is_said_with_what_installs_it(workspace: rig.Workspace) -> None:
    """A new clone: its environments are not made yet."""
    workspace.write('[environments.main]\n[services.api]\ncommand = ["python", "-V"]\nenvironment = "main"\n')
    said = workspace.cli("bringup", "--no-guard").rc(3)
    said.says("no program `python` in its environment `main`", "autosys upgrade installs environment.main")


def test_a_green_that_took_several_starts_says_so(workspace: rig.Workspace) -> None:
    """What is ready is OK; that it died before is not kept back."""
    once = "import os, sys, time; os.path.exists('twice') or (open('twice', 'w').close(), sys.exit(7)); "
    once += "print('up', flush=True); time.sleep(999)"
    said = 'readiness.log = "^up$"'  # on a busy machine the first one lives for longer than a third of a second
    workspace.write(f"{QUICK}[services.api]\ncommand = {json.dumps([rig.PYTHON, '-c', once])}\n{said}\n")
    workspace.cli("bringup", "--no-guard").rc(0).says("WARN api: ready by start 2, before it exited 7")
    assert row(workspace, "api")["state"] == "ready"


@pytest.mark.only("posix")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"#!/no/such/shell -e\n", "there is no `/no/such/shell -e`, which its first line names"),
        (b"#!/bin/sh\r\nexit 1\r\n", "ends with CR LF"),
        (b"exit 1\n", "needs a first line such as"),
    ],
)
def test_a_script_that_cannot_run_says_what_of_it_is_wrong(workspace: rig.Workspace, text: bytes, why: str) -> None:
    """"No such file or directory" was said of a file that everybody could see."""
    script = workspace.root / "run.sh"
    script.write_bytes(text)
    script.chmod(0o755)
    workspace.write("[watchdog]\nretries = 0\n[services.api]\ncommand = ['./run.sh']\n")
    workspace.cli("bringup", "--no-guard").rc(3).says("cannot run `./run.sh`: ", why)


def test_an_absent_program_is_said_and_an_optional_one_passed_over(workspace: rig.Workspace) -> None:
    """P23."""
    workspace.write('[services.api]\ncommand = ["no-such-program"]\n[services.extra]\n')
    text = '[services.api]\ncommand = ["no-such-program"]\n[services.extra]\ncommand = ["nor-this"]\noptional = true\n'
    workspace.write(text + '[services.line]\ncommand = ["python app.py"]\n')
    said = workspace.cli("bringup", "--no-guard").rc(3).says("no program `no-such-program`", "services.api.command")
    said.says("`python app.py`: arguments are items of their own", 'write services.line.command = ["python", "app.py"]')
    page = workspace.cli("health", "--json", "--only", "service.extra,service.api").rc(3).json()
    verdicts = {check["id"]: check["verdict"] for check in page["checks"]}  # type: ignore[attr-defined]
    assert verdicts == {"service.api": "NG", "service.extra": "SKIP"}
    workspace.write('[services.extra]\ncommand = ["nor-this"]\noptional = true\n')
    workspace.cli("bringup", "--no-guard").rc(0).says("not here, and optional: extra", "OK: 0 ready")


@pytest.mark.parametrize(
    ("policy", "code", "state", "starts"),
    [("on-failure", 0, "done", 1), ("never", 0, "done", 1), ("never", 3, "down", 1), ("on-failure", 3, "blocked", 3)],
)
def test_restart_policies(workspace: rig.Workspace, policy: str, code: int, state: str, starts: int) -> None:
    more = f'restart = "{policy}"\nreadiness.log = "never said"'  # on a busy machine it lives for longer than 0.3 s
    workspace.write(QUICK).service("api", "crashes.py", 0, code, more=more)
    workspace.cli("bringup", "--no-guard").rc(3 if state in ("down", "blocked") else 0)
    assert row(workspace, "api")["state"] == state
    workspace.cli("watchdog")
    if state == "done":
        assert workspace.cli("bringup", "--no-guard", "--dry-run", "--json").json()["steps"] == []
        workspace.cli("bringup", "--no-guard").rc(0).says("autosys restart api")
    assert len(workspace.starts()) == starts


def test_how_it_was_killed_is_known_to_the_guard(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    for times in (1, 2):
        kill(row(workspace, "api")["pid"])
        seen = rig.wait_for(
            lambda times=times: (r := row(workspace, "api"))["restarts"] == times and r["pid"] and r, 15
        )
        ended = (seen["last_exit"]["signal"], seen["last_exit"]["code"])  # type: ignore[index]
        assert ended == ((None, signal.SIGTERM) if sys.platform == "win32" else (signal.SIGKILL, None))
    becomes(workspace, "api", "ready")
    workspace.cli("down").rc(0)


def test_of_a_process_that_ended_during_the_look_nothing_is_known_and_not_zero_bytes() -> None:
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    who = host.identity(ended.pid)
    assert show.usage({"api": Facts(leader=who)})["api"].rss_bytes > 0
    ended.communicate(b"\n")
    assert show.usage({"api": Facts(leader=who)}) == {}
