"""`inv health` on real workspaces: what is green, what is red, and what it says."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.core.verdict import NG, OK, UNKNOWN
from autosys_tasks.health import look, plan, run
from autosys_tasks.health.values import BackupSeen, Look
from autosys_tasks.supervise.house import house_of
from autosys_tasks.supervise.values import Now

Cli = rig.Workspace


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def checks(result: rig.Result) -> dict[str, dict[str, object]]:
    """The checks of a health document, by id; its sums are held on the way."""
    document = result.json()
    assert document["schema"] == "autosys.health/1"
    assert document["exit_code"] == result.code
    found = document["checks"]
    assert isinstance(found, list)
    verdicts = [check["verdict"] for check in found]
    tally = document["counts"]
    assert isinstance(tally, dict)
    assert sum(tally.values()) == len(found)
    assert all(tally[verdict] == verdicts.count(verdict) for verdict in tally)
    worst = NG if NG in verdicts else "WARN" if {"WARN", UNKNOWN} & set(verdicts) else OK
    assert document["verdict"] == worst
    assert result.code == (3 if worst == NG else 0)
    return {check["id"]: check for check in found}


def health(workspace: rig.Workspace, *args: object) -> dict[str, dict[str, object]]:
    return checks(workspace.cli("health", "--json", *args).rc(0, 3))


def test_a_fresh_workspace_of_ready_services_is_green_and_says_what_was_not_looked_at(
    workspace: rig.Workspace,
) -> None:
    """P17, P24: the counts are the checks' own, and what this version cannot do is never OK."""
    for name in ("one", "two", "three"):
        workspace.service(name, "sleeps.py", 100)
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
    workspace.service("api", "sleeps.py", 100)
    workspace.cli("bringup").rc(0)
    workspace.cli("down", "api").rc(0)
    found = health(workspace, "--only", "service.api,watchdog")
    assert found["service.api"]["verdict"] == "SKIP"
    assert found["service.api"]["fix"] == {"kind": "manual", "text": "autosys bringup api starts it again"}
    assert found["watchdog"]["verdict"] == OK


def test_a_hung_endpoint_delays_nobody_and_is_named(workspace: rig.Workspace, deaf: int) -> None:
    """A check that hangs holds the page up for its own deadline at most."""
    names = [f"deaf{n}" for n in range(6)]
    workspace.write("".join(f'[probes.{name}]\nhttp = "http://127.0.0.1:{deaf}/"\n' for name in names))
    workspace.service("api", "sleeps.py", 100)
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
def test_a_hung_endpoint_is_red_at_its_own_deadline(workspace: rig.Workspace, deaf: int) -> None:
    workspace.write(f'[probes.deaf]\nhttp = "http://127.0.0.1:{deaf}/"\n')
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


def test_a_check_that_does_not_exist_is_a_usage_error_with_the_nearest(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", 100)
    workspace.cli("health", "--only", "disk,service.apo").rc(2).says("service.apo", "service.api")


@pytest.mark.parametrize("options", [("--watch", "--json"), ("--watch", "--fix"), ("--selftest", "--fix")])
def test_options_that_do_not_go_together_are_refused(
    workspace: rig.Workspace, options: tuple[str, ...]
) -> None:
    workspace.service("api", "sleeps.py", 100)
    workspace.cli("health", *options).rc(2)


def test_a_check_that_cannot_look_is_red(workspace: rig.Workspace) -> None:
    """P12: an exception is `check error`, and no other check goes with it."""
    workspace.service("api", "sleeps.py", 100).service("db", "sleeps.py", 100)
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
        Look("probe.slow", "slow", lambda: time.sleep(30), 0.1),
        Look("backup", "backup", lambda: BackupSeen()),
        Look("environment", "environments", lambda: 1 / 0),
    ]
    began = time.monotonic()
    seen = run.see_all(looks)
    assert time.monotonic() - began < 15, "half of what it hangs"
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


# --- the watchdog -----------------------------------------------------------------------------------------


def test_without_a_guard_only_a_recent_tick_proves_that_somebody_watches(workspace: rig.Workspace) -> None:
    """P14, P15: a watchdog that is set up and does not come is red."""
    workspace.write('[watchdog]\nguard = false\nevery = "5min"\n').service("api", "sleeps.py", 100)
    workspace.cli("bringup").rc(0)
    guard = workspace.cli("ps", "--json").rc(0).json()["guard"]
    assert guard["state"] == "stopped" and "watchdog.guard" in guard["reason"], "nobody wants it up"  # type: ignore[index, call-overload]
    assert health(workspace, "--only", "watchdog")["watchdog"]["verdict"] == NG
    workspace.cli("watchdog").rc(0)
    assert health(workspace, "--only", "watchdog")["watchdog"]["verdict"] == OK
    later = {"AUTOSYS_NOW": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 690))}
    stale = workspace.cli("health", "--only", "watchdog", env=later).rc(3)
    stale.says("last tick 11 min ago", "nobody watches")


# --- environments and outputs -----------------------------------------------------------------------------


def test_an_environment_that_is_not_there_is_red(workspace: rig.Workspace) -> None:
    workspace.write("[environments.main]\n")
    found = health(workspace, "--only", "environment.main")["environment.main"]
    assert found["verdict"] == NG
    python = Path(host.python_in(str(workspace.root / ".venv")))
    python.parent.mkdir(parents=True)
    (workspace.root / ".venv" / "pyvenv.cfg").write_text("home = /nowhere/bin\n", encoding="utf-8")
    if sys.platform == "win32":
        shutil.copy(rig.PYTHON, python)
    else:
        python.symlink_to("/nowhere/bin/python3")
        found = health(workspace, "--only", "environment.main")["environment.main"]
        assert "leads to `/nowhere/bin/python3`, which is gone" in str(found["why"])
        python.unlink()
        python.symlink_to(Path(rig.PYTHON).resolve())
    found = health(workspace, "--only", "environment.main")["environment.main"]
    assert "the Python that it was made from is gone" in str(found["why"])
    home = Path(rig.PYTHON).resolve().parent
    (workspace.root / ".venv" / "pyvenv.cfg").write_text(f"home = {home}\n", encoding="utf-8")
    if sys.platform != "win32":  # there a copy of the interpreter alone does not run
        assert health(workspace, "--only", "environment.main")["environment.main"]["verdict"] == OK


def test_an_environment_whose_folder_holds_other_things_is_red_and_no_upgrade_is_offered(
    workspace: rig.Workspace,
) -> None:
    workspace.write('[environments.main]\npath = "src"\n').file("src/precious.py", "x = 1\n")
    workspace.file("requirements.txt", "")
    workspace.cli("upgrade").rc(3)
    page = health(workspace, "--only", "environment.main,upgrade")
    for found in (page["environment.main"], page["upgrade"]):
        assert found["verdict"] == NG and "`src` is no virtual environment and holds precious.py" in str(found["why"])
        text = "give environments.main.path a folder of its own; then autosys upgrade"
        assert found["fix"] == {"kind": "manual", "text": text}


def test_environments_that_are_discovered_are_checks_of_their_own(workspace: rig.Workspace) -> None:
    workspace.write('[outputs]\n"autosys.toml" = "24h"\n')
    for name in ("web", "site"):
        workspace.file(f"{name}/package.json", '{"dependencies": {"left": "1"}}')
    found = health(workspace)
    assert list(found)[4:7] == ["environment.site", "environment.web", "upgrade"]
    assert found["environment.web"]["verdict"] == NG and "environment" not in found
    assert list(health(workspace, "--only", "environment.web")) == ["environment.web"]
    assert list(health(workspace, "--only", "environment")) == ["environment.site", "environment.web"]
    workspace.cli("health", "--only", "environment.wed").rc(2).says("`environment.wed`", "environment.web")
    workspace.cli("health", "--only", "upgrade.wed").rc(2)
    shutil.rmtree(workspace.root / "site")
    shutil.rmtree(workspace.root / "web")
    workspace.cli("health", "--only", "environment.web").rc(2)


@pytest.mark.only("posix")
def test_a_discovery_that_hangs_or_fails_is_a_check_by_name_and_the_others_go_on(
    workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace.write('[outputs]\n"autosys.toml" = "24h"\n')
    workspace.file("web/package.json", '{"dependencies": {"left": "1"}}')
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f"#!/bin/sh\nwhile [ ! -e '{tmp_path}/go' ]; do sleep 0.05; done\n", encoding="utf-8")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    monkeypatch.setattr(look, "FIND_S", 0.3)
    house = house_of(load(workspace.root))
    try:
        found = {check.id: check for check in run.page(house, listed=lambda site: ())}
        named = run.page(house, run.chosen(house, "environment.web"))
    finally:
        (tmp_path / "go").touch()
    late = found["environment"]
    assert (late.verdict, late.why) == (UNKNOWN, "`environment` did not answer within 0.3 s")
    assert late.fix and late.fix.text == "inv health --only environment"
    assert found["config"].verdict == found["outputs.autosys.toml"].verdict == OK
    assert [(check.id, check.verdict) for check in named] == [("environment", UNKNOWN)]


OUTPUTS = [
    ("fresh.json", '{"at": "%NOW%"}', OK, ""),
    ("no-time.json", "[1, 2]", OK, ""),
    ("stale.json", '{"at": "2020-01-01T00:00:00Z"}', NG, "too old"),
    ("torn.json", '{"at": ', NG, "it is no JSON"),
    ("odd.json", '{"at": "yesterday"}', "WARN", "its `at` is no time"),
    ("plain.txt", "text", OK, ""),
    ("missing.json", None, NG, "there is no"),
]


def test_each_output_counts_for_itself_and_by_the_time_inside_it(workspace: rig.Workspace) -> None:
    """P20: 64 of 88 outputs were stale while "any latest file" was young."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    workspace.write("[outputs]\n" + "".join(f'"out/{name}" = "24h"\n' for name, *_rest in OUTPUTS))
    for name, text, _verdict, _why in OUTPUTS:
        if text is not None:
            workspace.file(f"out/{name}", text.replace("%NOW%", now))
    found = health(workspace)
    for name, _text, verdict, why in OUTPUTS:
        check = found[f"outputs.out/{name}"]
        assert (check["verdict"], str(check["why"] or "").startswith(why)) == (verdict, True), check


# --- probes -----------------------------------------------------------------------------------------------


@pytest.mark.portable
def test_probe_and_health_share_one_answer_within_its_budget(
    workspace: rig.Workspace,
) -> None:
    """P60: a probe that costs money is asked once, whoever asks."""
    calls = workspace.root / "calls"
    count = f"open({str(calls)!r}, 'a').write('x')"
    command = json.dumps([rig.PYTHON, "-c", count])
    workspace.write(f'[probes.dear]\ncommand = {command}\nbudget = "1/10min"\n')
    document = workspace.cli("probe", "--json").rc(0).json()
    assert document["schema"] == "autosys.probe/1"
    (row,) = document["probes"]  # type: ignore[misc]
    assert (row["name"], row["verdict"], row["why"]) == ("dear", OK, None)
    assert health(workspace)["probe.dear"]["verdict"] == OK
    workspace.cli("probe", "dear", "--fresh").rc(0).says("cached")
    assert calls.read_text(encoding="utf-8") == "x"


def test_a_probe_that_fails_ends_3_and_one_that_nobody_declared_2(workspace: rig.Workspace) -> None:
    port = rig.free_port()
    workspace.write(f'[probes.gone]\ntcp = "127.0.0.1:{port}"\n')
    workspace.cli("probe").rc(3).says("NG", "gone", f"refused: nobody listens on 127.0.0.1:{port}")
    workspace.cli("probe", "gine").rc(2).says("did you mean `gone`")


# --- the self-test ----------------------------------------------------------------------------------------


def test_every_check_can_be_made_to_fail_and_nothing_is_left_of_it(workspace: rig.Workspace) -> None:
    """Every check can be shown to fail."""
    scratch = workspace.root / "tmp"
    scratch.mkdir()
    result = workspace.cli("health", "--selftest", "--json", env={"TMPDIR": str(scratch)}).rc(0)
    assert result.took_s < (20 if os.name == "posix" else 40)
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
    workspace.service("old", "sleeps.py", 100)
    workspace.cli("bringup", "--no-guard").rc(0)
    ((pid, _at),) = rig.wait_for(workspace.starts)
    workspace.write("").service("new", "sleeps.py", 200)
    found = health(workspace, "--only", "config")["config"]
    assert (found["verdict"], found["why"]) == ("WARN", f"runs, and is declared no more: old (pid {pid})")
    workspace.write("").service("old", "sleeps.py", 300)
    found = health(workspace, "--only", "config")["config"]
    assert found["verdict"] == "WARN" and "was another: old" in str(found["why"])
    workspace.cli("restart", "old").rc(0)
    assert health(workspace, "--only", "config")["config"]["verdict"] == "OK"


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
