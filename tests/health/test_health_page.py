"""`inv health` on real workspaces: what is green, what is red, and what it says."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import socket
import time
from collections.abc import Iterator

import pytest
import rig
from health_pages import checks, health

from autosys_tasks.core.verdict import NG, OK, UNKNOWN
from autosys_tasks.health import plan, run
from autosys_tasks.health.values import BackupSeen, Look
from autosys_tasks.supervise.values import Now

Cli = rig.Workspace


@pytest.fixture
def deaf() -> Iterator[list[int]]:
    """Ports that take connections and never say a word."""
    with contextlib.ExitStack() as open_now:
        servers = [open_now.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(20)]
        yield [server.getsockname()[1] for server in servers]


def test_a_fresh_workspace_of_ready_services_is_green_and_says_what_was_not_looked_at(
    workspace: rig.Workspace,
) -> None:
    """P17, P24: the counts are the checks' own, and what this version cannot do is never OK."""
    for name in ("one", "two", "three"):
        workspace.service(name, "sleeps.py", 1000)
    workspace.cli("bringup").rc(0)
    result = workspace.cli("health", "--json").rc(0)
    found = checks(result)
    assert list(found) == [
        "config", "service.one", "service.two", "service.three", "watchdog", "autostart", "backup", "upgrade",
        "disk", "duplicates", "rivals", "vscode",
    ]  # fmt: skip
    green = {name for name, check in found.items() if check["verdict"] == OK}
    assert green >= {"config", "service.one", "service.two", "service.three", "watchdog", "duplicates"}
    assert result.err == ""
    latest = json.loads((workspace.outputs / "health_latest.json").read_text(encoding="utf-8"))
    assert latest == result.json()


@pytest.mark.portable
def test_every_red_says_why_and_what_to_type(workspace: rig.Workspace) -> None:
    workspace.write("[watchdog]\nretries = 0\n").service("api", "crashes.py")
    workspace.cli("bringup", "--no-guard").rc(3)
    said = workspace.cli("health", "--only", "service.api").rc(3)
    said.says("NG", "service.api", "exited 1", "the last line before the crash", "-> autosys bringup api")
    assert said.out.splitlines()[0].startswith("NG ")
    assert said.out.splitlines()[-1].startswith("NG: 1 NG")


@pytest.mark.portable
def test_what_a_person_stopped_is_no_red(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("bringup").rc(0)
    workspace.cli("down", "api").rc(0)
    found = health(workspace, "--only", "service.api,watchdog")
    assert found["service.api"]["verdict"] == "SKIP"
    assert found["service.api"]["fix"] == {"kind": "manual", "text": "to start it again: autosys bringup api"}
    assert found["watchdog"]["verdict"] == OK


def test_a_hung_endpoint_delays_nobody_and_is_named(workspace: rig.Workspace, deaf: list[int]) -> None:
    """A check that hangs holds the page up for its own deadline at most."""
    names = [f"deaf{port}" for port in deaf]
    workspace.write("".join(f'[probes.deaf{port}]\nhttp = "http://127.0.0.1:{port}/"\n' for port in deaf))
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("bringup").rc(0)
    result = workspace.cli("health", "--json").rc(0, 3)
    assert result.took_s < 2.0 * len(names), "so long would they take one after the other"
    found = checks(result)
    for name in names:
        verdict, why = found[f"probe.{name}"]["verdict"], str(found[f"probe.{name}"]["why"])
        assert verdict in (NG, UNKNOWN)
        late = f"`probe.{name}` did not answer within 2.3 s"  # what a busy machine has
        assert why.startswith("timed out after 2 s" if verdict == NG else late)
    assert found["service.api"]["verdict"] == OK


@pytest.mark.portable
def test_a_hung_endpoint_is_red_at_its_own_deadline(workspace: rig.Workspace, deaf: list[int]) -> None:
    workspace.write(f'[probes.deaf]\nhttp = "http://127.0.0.1:{deaf[0]}/"\n')
    found = rig.wait_for(lambda: red_page(workspace), 60, what="a page that came in time")
    assert found["probe.deaf"]["verdict"] == NG
    assert str(found["probe.deaf"]["why"]).startswith("timed out after 2 s")


def red_page(workspace: rig.Workspace) -> dict[str, dict[str, object]]:
    """The page, unless this machine is too busy to hear an answer in time."""
    found = health(workspace, "--only", "probe.deaf")
    return found if found["probe.deaf"]["verdict"] != UNKNOWN else {}


@pytest.mark.portable
def test_a_broken_configuration_ends_2_with_every_problem(workspace: rig.Workspace) -> None:
    workspace.write('colour = 1\n[services.api]\ncommand = ["x"]\ncwd = "nowhere"\n')
    workspace.cli("health").rc(2).says("colour", "nowhere")
    document = workspace.cli("health", "--json").rc(2).json()
    assert document["schema"] == "autosys.error/1"
    assert not workspace.outputs.exists()


def test_the_id_of_a_path_with_commas_in_it_is_one(workspace: rig.Workspace) -> None:
    """Interface 2: `--only ID,...`, where an id may hold what stands between them."""
    workspace.write('[outputs]\n"a, b,c.json" = "24h"\n"a" = "24h"\n').file("a, b,c.json")
    for only in ("outputs.a, b,c.json", "outputs.a, disk,outputs.a, b,c.json,"):
        asked = workspace.cli("health", "--only", only, "--json").json()["checks"]
        assert {check["id"] for check in asked} >= {"outputs.a, b,c.json"} and len(asked) == 1 + only.count("disk") * 2
    workspace.cli("health", "--only", "outputs.a, b").rc(2).says("no check is named `b`")


def test_a_check_that_does_not_exist_is_a_usage_error_with_the_nearest(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("health", "--only", "disk,service.apo").rc(2).says("service.apo", "service.api")


@pytest.mark.parametrize("options", [("--watch", "--json"), ("--watch", "--fix"), ("--selftest", "--fix")])
def test_options_that_do_not_go_together_are_refused(workspace: rig.Workspace, options: tuple[str, ...]) -> None:
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("health", *options).rc(2)


def test_a_check_that_cannot_look_is_red(workspace: rig.Workspace) -> None:
    """P12: an exception is `check error`, and no other check goes with it."""
    workspace.service("api", "sleeps.py", 1000).service("db", "sleeps.py", 1000)
    workspace.cli("bringup").rc(0)
    wanted = workspace.state / "services" / "api" / "wanted.json"
    wanted.unlink(missing_ok=True)
    wanted.mkdir()
    found = health(workspace, "--only", "service.api,service.db")
    wanted.rmdir()
    assert found["service.api"]["verdict"] == NG
    assert str(found["service.api"]["why"]).startswith("check error: ")
    assert found["service.db"]["verdict"] == OK


def test_a_look_that_raises_or_hangs_costs_only_its_own_check() -> None:
    """P12, and a deadline miss is UNKNOWN by name."""
    looks = [
        Look("disk", "disk", lambda: 1 / 0),
        Look("probe.slow", "slow", lambda: time.sleep(60), 0.1),
        Look("backup", "backup", lambda: BackupSeen()),
        Look("environment", "environments", lambda: 1 / 0),
    ]
    began = time.monotonic()
    seen = run.see_all(looks)
    assert time.monotonic() - began < 30, "half of what it hangs"
    from autosys_tasks.config.model import Config

    found = plan.page(Config("/w", "w"), looks, seen, Now(0.0, 0.0, "b"))
    assert [check.verdict for check in found] == [NG, UNKNOWN, "SKIP", NG]
    assert found[0].why == "check error: ZeroDivisionError: division by zero"
    assert found[1].why == "`probe.slow` did not answer within 0.1 s"


def test_a_check_that_may_not_look_says_what_helps() -> None:
    def refused() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/w/state/services/api/wanted.json")

    seen = run.see_all([Look("disk", "disk", refused)])["disk"]
    assert seen.error == "cannot read `/w/state/services/api/wanted.json`: Permission denied"
    assert "AUTOSYS_STATE" in seen.hint


def test_a_page_is_kept_only_when_it_is_whole_and_shown_even_where_it_cannot_be_kept(
    workspace: rig.Workspace,
) -> None:
    workspace.write("[watchdog]\nguard = false\n")
    workspace.cli("health", "--only", "config").rc(0)
    assert not workspace.outputs.exists()
    (workspace.outputs / "health_latest.json").mkdir(parents=True)
    result = workspace.cli("health", "--json").rc(1)
    assert result.json()["exit_code"] == 1
    assert "health_latest.json" in result.err


# --- the self-test ----------------------------------------------------------------------------------------


def test_every_check_can_be_made_to_fail_and_nothing_is_left_of_it(workspace: rig.Workspace) -> None:
    """Every check can be shown to fail."""
    scratch = workspace.root / "tmp"
    scratch.mkdir()
    result = workspace.cli("health", "--selftest", "--json", env={"TMPDIR": str(scratch)}).rc(0)
    rows = result.json()["checks"]
    assert isinstance(rows, list)
    turned = {row["check"].partition(".")[0] for row in rows if row["before"] in (OK, "SKIP") and row["after"] == NG}
    assert turned == {
        "config", "service", "watchdog", "environment", "outputs", "probe", "disk", "duplicates", "vscode", "autostart",
        "rivals", "upgrade", "backup",
    }  # fmt: skip
    assert list(scratch.iterdir()) == []
    assert not [p for p in rig.psutil.process_iter(["environ"]) if str(scratch) in str(p.info["environ"])]


# --- what changes meanwhile -------------------------------------------------------------------------------


def test_what_runs_and_is_declared_no_more_is_named(workspace: rig.Workspace) -> None:
    workspace.service("old", "sleeps.py", 1000)
    workspace.cli("bringup", "--no-guard").rc(0)
    ((pid, _at),) = rig.wait_for(workspace.starts)
    workspace.write("").service("new", "sleeps.py", 2000)
    found = health(workspace, "--only", "config")["config"]
    assert (found["verdict"], found["why"]) == ("WARN", f"runs, and is declared no more: old (pid {pid})")
    workspace.write("").service("old", "sleeps.py", 3000)
    found = health(workspace, "--only", "config")["config"]
    assert found["verdict"] == "WARN" and "was another: old" in str(found["why"])
    workspace.cli("restart", "old").rc(0)
    assert health(workspace, "--only", "config")["config"]["verdict"] == "OK"


@pytest.mark.only("posix")  # Windows removes no folder in which a service holds its lock
def test_what_runs_and_is_declared_no_more_is_found_and_ended_though_the_state_folder_was_lost(
    workspace: rig.Workspace,
) -> None:
    workspace.service("old", "sleeps.py", 1000)
    workspace.cli("bringup", "--no-guard").rc(0)
    ((pid, _at),) = rig.wait_for(workspace.starts)
    shutil.rmtree(workspace.state)
    workspace.write("").service("new", "sleeps.py", 2000)
    found = health(workspace, "--only", "config")["config"]
    assert (found["verdict"], found["why"]) == ("WARN", f"runs, and is declared no more: old (pid {pid})")
    workspace.cli("down", "--dry-run").rc(0).says("would stop old")
    workspace.cli("down").rc(0).says("stopped old: ended")
    assert workspace.alive() == []


def test_watching_shows_a_configuration_that_breaks_and_ends_with_ctrl_c(workspace: rig.Workspace) -> None:
    workspace.write("[watchdog]\nguard = false\n")
    env = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    watching = workspace.start("health", "--watch", "--only", "config", env=env, console=True)
    out = watching.process.stdout
    assert out is not None
    page = [out.readline().decode() for _line in range(3)]
    assert page[1].startswith("OK  config")
    workspace.write("colour = 1\n")
    later = [out.readline().decode() for _line in range(3)]
    watching.interrupt()
    watching.result().rc(130)
    assert later[1].startswith("NG  config") and "colour" in later[2]


def test_the_check_of_autosys_toml_counts_all_that_is_declared(workspace: Cli) -> None:
    workspace.write('[outputs]\n"x" = "1h"\n[backup.sets.all]\ninclude = ["x"]\n[backup.sets.more]\ninclude = ["y"]\n')
    seen = checks(workspace.cli("health", "--json", "--only", "config"))
    assert seen["config"]["evidence"] == "1 output, 2 backup sets"
