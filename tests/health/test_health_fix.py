"""`inv health --fix`: what is mended, what only looks mended, and what is left for a person."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil
import pytest
import rig

from autosys_tasks.config.load import load
from autosys_tasks.core.errors import Busy
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.health import act, run
from autosys_tasks.supervise import run_lock
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.supervise.state import Place, read_record
from autosys_tasks.supervise.values import GUARD


def fixed(workspace: rig.Workspace, *args: object) -> tuple[int, dict[str, dict[str, object]]]:
    """The exit code and the checks of `health --fix --json`: one document, and nothing else on stdout."""
    result = workspace.cli("health", "--fix", "--json", *args).rc(0, 3)
    found = result.json()["checks"]
    assert isinstance(found, list)
    return result.code, {check["id"]: check for check in found}


def house(workspace: rig.Workspace) -> House:
    return house_of(load(workspace.root, {}))._replace(place=Place(str(workspace.state)))


def kill(workspace: rig.Workspace, name: str) -> None:
    """kill -9 of what the record of a service names."""
    record, _corrupt = read_record(Place(str(workspace.state)), name)
    assert record is not None
    process = psutil.Process(record.pid)
    process.kill()
    rig.wait_for(lambda: not psutil.pid_exists(process.pid) or process.status() == psutil.STATUS_ZOMBIE)


def snapshot(workspace: rig.Workspace) -> dict[str, bytes]:
    """Every file of the workspace and its state folder, less what running services themselves write."""
    roots = (workspace.root, workspace.state)
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files if "heartbeat" not in path.name}


def test_a_killed_service_is_started_and_looked_at_again(workspace: rig.Workspace) -> None:
    """P25: fixed is what a second look found well."""
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("bringup", "--no-guard").rc(0)
    rig.wait_for(workspace.starts, what="its own word that it has started")
    kill(workspace, "api")
    workspace.cli("health", "--only", "service.api").rc(3)
    code, found = fixed(workspace, "--only", "service.api")
    assert (code, found["service.api"]["verdict"], found["service.api"]["fixed"]) == (0, "OK", "verified")
    rig.wait_for(lambda: len(workspace.starts()) == 2, what="that of the second one")
    lines = workspace.cli("journal", "--json", "--task", "health").json()["lines"]
    assert isinstance(lines, list)
    assert [line["step"] for line in lines] == ["fix", "summary"]
    assert lines[-1]["ok"] is True
    assert lines[-1]["counts"] == {"done": 1, "failed": 0, "skipped": 0}


def test_a_fix_that_fails_is_failed_and_the_exit_code_says_so(workspace: rig.Workspace) -> None:
    """P25, P27: trying is not mending. What nobody can mend for the person is `not_applied`."""
    workspace.write('[watchdog]\nretries = 1\nbackoff_s = [0]\n[outputs]\n"o.json" = "1h"\n')
    workspace.service("bad", "crashes.py")
    code, found = fixed(workspace)
    assert code == 3
    assert found["service.bad"]["fixed"] == "failed"
    assert found["outputs.o.json"]["fixed"] == "not_applied"
    assert found["disk"]["fixed"] is None


def test_a_fix_that_lies_is_unverified(workspace: rig.Workspace) -> None:
    """P25: a command that says it is done, and a check that is as red as before."""
    workspace.service("api", "sleeps.py", 1000)
    home = house(workspace)
    first = run.page(home, ["service.api"])

    def lie(_house: House, order: Plan) -> list[Outcome]:
        return [Outcome(step, True, "done, trust me") for step in order.steps]

    (after,) = run.fix(home, first, ["service.api"], lie).checks
    assert (after.verdict, after.fixed) == ("NG", "unverified")
    assert run.exit_code([after]) == 3


def test_a_dead_guard_is_brought_back(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("bringup").rc(0)
    kill(workspace, GUARD)
    code, found = fixed(workspace, "--only", "watchdog")
    assert (code, found["watchdog"]["verdict"], found["watchdog"]["fixed"]) == (0, "OK", "verified")
    assert len(workspace.starts()) == 1, "the service was left alone"


def test_a_guard_that_a_person_does_not_want_is_not_started_by_a_fix(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("bringup", "--no-guard").rc(0)
    kill(workspace, "api")
    code, found = fixed(workspace)
    assert code == 3
    assert found["service.api"]["fixed"] == "verified"
    assert (found["watchdog"]["verdict"], found["watchdog"]["fixed"]) == ("NG", "not_applied")


def test_exactly_one_instance_is_left_of_two(workspace: rig.Workspace) -> None:
    """P3: both pids are named, and ours is the one that stays; who cannot be asked to end is not waited for."""
    workspace.service("api", "sleeps.py", 1000, more="stop_timeout_s = 60")
    workspace.cli("bringup", "--no-guard").rc(0)
    ((ours, _at),) = rig.wait_for(workspace.starts)
    copy = subprocess.Popen(workspace.program("sleeps.py", 1000), cwd=workspace.root)
    try:
        red = workspace.cli("health", "--only", "duplicates").rc(3)
        red.says("2 running, expected 1", str(ours), str(copy.pid))
        code, found = fixed(workspace, "--only", "duplicates,service.api")
        assert code == 0
        assert found["duplicates"]["fixed"] == "verified"
        assert f"pid {ours}" in str(found["service.api"]["evidence"])
        assert copy.wait(5) is not None
    finally:
        copy.kill()


def test_what_a_dead_leader_left_is_ended_and_the_service_started(workspace: rig.Workspace) -> None:
    workspace.service("api", "forks.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    rig.wait_for(lambda: len(workspace.starts()) == 2)
    kill(workspace, "api")
    red = workspace.cli("health", "--only", "service.api", "--json").rc(3).json()["checks"][0]  # type: ignore[index]
    assert red["why"].startswith("leftover: ")
    old = {process.pid for process in workspace.alive()}
    code, found = fixed(workspace, "--only", "service.api")
    assert (code, found["service.api"]["fixed"]) == (0, "verified")
    assert not old & {process.pid for process in workspace.alive()}


def test_a_wrong_question_restarts_nobody(workspace: rig.Workspace) -> None:
    """P9: a health address that answers 404 since its first use is the configuration's fault."""
    port, status = rig.free_port(), workspace.file("status", "200")
    more = f'readiness = {{ http = "http://127.0.0.1:{port}/" }}'
    workspace.service("api", "listens.py", port, "--status", str(status), more=more)
    workspace.cli("bringup", "--no-guard").rc(0)
    status.write_text("404", encoding="utf-8")
    code, found = fixed(workspace, "--only", "service.api")
    assert (code, found["service.api"]["fixed"]) == (3, "not_applied")
    assert "404" in str(found["service.api"]["why"])
    assert len(workspace.starts()) == 1
    status.write_text("500", encoding="utf-8")
    red = workspace.cli("health", "--json", "--only", "service.api").rc(3).json()["checks"][0]  # type: ignore[index]
    assert red["fix"] == {"kind": "run", "command": ["autosys", "restart", "api"]}


def test_who_is_well_again_is_not_restarted(workspace: rig.Workspace) -> None:
    port, status = rig.free_port(), workspace.file("status", "200")
    more = f'readiness = {{ http = "http://127.0.0.1:{port}/" }}'
    workspace.service("api", "listens.py", port, "--status", str(status), more=more)
    workspace.cli("bringup", "--no-guard").rc(0)
    status.write_text("500", encoding="utf-8")
    home = house(workspace)
    first = run.page(home, ["service.api"])
    status.write_text("200", encoding="utf-8")
    mended = run.fix(home, first, ["service.api"], lambda h, p: act.carry_out(h, p, lambda outcome: None))
    assert [outcome.ok for outcome in mended.outcomes] == [None]
    assert mended.checks[0].fixed == "verified"
    assert len(workspace.starts()) == 1


def test_a_dry_run_lists_the_fixes_and_changes_not_one_byte(workspace: rig.Workspace) -> None:
    workspace.write('[probes.dear]\ncommand = ["true"]\nbudget = "1/10min"\n').service(
        "api", "sleeps.py", 1000
    )
    workspace.cli("bringup", "--no-guard").rc(0)
    kill(workspace, "api")
    before = snapshot(workspace)
    result = workspace.cli("health", "--fix", "--dry-run", "--json").rc(0).json()
    assert (result["schema"], result["task"]) == ("autosys.plan/1", "health")
    (step,) = result["steps"]  # type: ignore[misc]
    assert (step["kind"], step["target"], step["command"]) == (
        "fix",
        "service.api",
        ["inv", "bringup", "api"],
    )
    workspace.cli("health", "--fix", "--dry-run", "--exit-code").rc(9).says("would fix service.api")
    assert snapshot(workspace) == before


def test_a_command_that_no_room_offers_is_never_run(workspace: rig.Workspace) -> None:
    """The fixes are a table of our own commands: nothing else can be run, whatever a page says."""
    workspace.service("api", "sleeps.py", 1000)
    step = Step("fix", "disk", "full", {"command": ["rm", "-rf", "/"]})
    with pytest.raises(KeyError):
        act.carry_out(house(workspace), Plan("health", (step,)), lambda outcome: None)


def test_fixes_wait_their_turn_and_say_who_is_at_work(
    workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.service("api", "sleeps.py", 1000)
    home = house(workspace)
    monkeypatch.setattr(act, "TURN_S", 0.05)
    with run_lock.held(home.place, "bringup", wait_s=1):
        order = Plan("health", (Step("fix", "service.api", "down", {"command": ["inv", "bringup", "api"]}),))
        (outcome,) = act.carry_out(home, order, lambda outcome: None)
    assert outcome.ok is None
    assert outcome.detail.startswith("`bringup`") and issubclass(Busy, Exception)
    assert not Path(workspace.outputs).exists()
