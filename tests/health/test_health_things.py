"""`inv health` of the watchdog, environments, outputs and probes of real workspaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rig
from health_pages import health

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.core.verdict import NG, OK, UNKNOWN, WARN
from autosys_tasks.health import look, run
from autosys_tasks.supervise.house import house_of


def test_without_a_guard_only_a_recent_tick_proves_that_somebody_watches(workspace: rig.Workspace) -> None:
    """P14, P15: a watchdog that is set up and does not come is red."""
    workspace.write('[watchdog]\nguard = false\nevery = "5min"\n').service("api", "sleeps.py", 1000)
    workspace.cli("bringup").rc(0)
    guard = workspace.cli("ps", "--json").rc(0).json()["guard"]
    assert guard["state"] == "stopped" and "watchdog.guard" in guard["reason"], "nobody wants it up"  # type: ignore[index, call-overload]
    assert health(workspace, "--only", "watchdog")["watchdog"]["verdict"] == NG
    workspace.cli("watchdog").rc(0)
    assert health(workspace, "--only", "watchdog")["watchdog"]["verdict"] == OK
    later = {"AUTOSYS_NOW": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 690))}
    stale = workspace.cli("health", "--only", "watchdog", env=later).rc(3)
    stale.says("last tick 11 min ago", "nobody watches")


@pytest.mark.only("posix")
def test_nothing_of_backups_or_outputs_is_staged_unnoticed(workspace: rig.Workspace) -> None:
    """P55: journals and logs may hold secrets; what is said against it helps when it is typed."""

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=workspace.root, check=True, stdout=subprocess.DEVNULL)

    workspace.write("")
    workspace.file("outputs/logs/api.log", "token")
    workspace.file("outputs/.gitkeep")
    git("init", "-q")
    git("add", "autosys.toml", "-f", "outputs/.gitkeep")
    assert health(workspace, "--only", "config")["config"]["verdict"] == OK, "not staged"
    git("add", ".")
    found = health(workspace, "--only", "config")["config"]
    assert found["verdict"] == WARN and "outputs/logs/api.log" in str(found["why"])
    command, ignored = str(found["fix"]["text"]).split("; and for it to stay so: ")  # type: ignore[index]
    git(*command.split()[1:])
    workspace.file(".gitignore", ignored.split("`")[1])
    git("add", ".")
    assert health(workspace, "--only", "config")["config"]["verdict"] == OK


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
