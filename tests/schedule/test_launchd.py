"""LaunchAgents, against a stand-in for `launchctl`: no macOS has run this yet, so all but that program is real."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import desks
import launchctl
import pytest
import rig
from seen import tree

from autosys_tasks.schedule import launchd_text
from autosys_tasks.schedule.values import AtLogon, Daily, Every, Site

# The one place that knows which mechanism is whose.
AS_ON_MACOS = (
    "from autosys_tasks.schedule import look, starters; from autosys_tasks import host;"
    "look.MODULES[host.PLATFORM] = look.MODULES['macos']; starters.PLACES[host.PLATFORM] = starters.PLACES['macos'];"
    "from autosys_tasks.program import main; main()"
)


@pytest.mark.parametrize("name", desks.NAMES)
@pytest.mark.parametrize("entry", desks.ENTRIES, ids=[entry.name for entry in desks.ENTRIES])
def test_an_agent_holds_all_that_launchd_needs_whatever_the_workspace_is_called(
    entry: launchd_text.Entry, name: str
) -> None:
    folder = f"/Users/홍길동/{name}"
    command = ("/w/py thon", "-m", "invoke")
    site = Site("desk-1a2b3c4d", folder, command, "501", f"{folder}/log", state=f"{folder}/state")
    file = launchd_text.file_of(site, entry)
    agent = plistlib.loads(file.data)
    assert file.name == f"{agent['Label']}.plist" and agent["Label"] == f"dev.autosys.desk-1a2b3c4d.{entry.name}"
    assert agent["ProgramArguments"][-4:] == [str(entry.limit_s), "-m", "invoke", entry.task[-1]]
    assert {type(word) for word in agent["ProgramArguments"]} == {str} and agent["ProgramArguments"][0] == "/bin/sh"
    assert agent["WorkingDirectory"] == folder and "/opt/homebrew/bin" in agent["EnvironmentVariables"]["PATH"]
    assert agent["AbandonProcessGroup"] is True, "what a tick started outlives it"
    assert agent["StandardOutPath"] == agent["StandardErrorPath"] == site.log
    assert "KeepAlive" not in agent and "Disabled" not in agent
    times = {AtLogon: {"RunAtLoad": True}, Every: {"StartInterval": 300},
             Daily: {"StartCalendarInterval": {"Hour": 3, "Minute": 30}}}  # fmt: skip
    told = {key: agent[key] for key in ("RunAtLoad", "StartInterval", "StartCalendarInterval") if key in agent}
    assert told == times[type(entry.when)]
    assert ("LowPriorityIO" in agent, agent.get("ProcessType")) == (
        (True, "Background") if entry.background else (False, None)
    ), "what a tick starts inherits its throttling"


@pytest.mark.parametrize(
    ("printed", "code"),
    [
        ("\tlast exit code = 0\n", 0),
        ("\tlast exit code = 78: EX_CONFIG\n", 78),
        ("\tlast exit code = (never exited)\n", None),
        ("\tlast terminating signal = Killed: 9\n", 137),
        ("", None),
    ],
)
def test_how_the_last_run_ended_is_read_from_what_is_printed(printed: str, code: int | None) -> None:
    text = f"gui/501/x = {{\n\tstate = not running\n\truns = 2\n{printed}\n}}"
    assert launchd_text.exit_code(text) == code and not launchd_text.is_running(text)
    assert launchd_text.is_running(text.replace("not ", ""))


class Mac:
    """A workspace, and a launchctl of the test's own."""

    def __init__(self, workspace: rig.Workspace, folder: Path) -> None:
        self.workspace, self.folder = workspace, folder
        folder.mkdir()
        shutil.copy(launchctl.__file__, folder / "launchctl.py")
        program = folder / "launchctl"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{folder}/launchctl.py" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        self.env = {"PATH": f"{folder}:/usr/bin:/bin", "STARTS": str(workspace.starts_folder)}

    def inv(self, *words: str) -> rig.Result:
        env = {**self.workspace.env(), **self.env}
        return rig.start([sys.executable, "-c", AS_ON_MACOS, *words], cwd=self.workspace.root, env=env).result()

    def ctl(self, *words: str) -> None:
        subprocess.run([self.folder / "launchctl", *words], env={**os.environ, **self.env}, check=True, timeout=60)

    def entries(self) -> dict[str, dict[str, object]]:
        said = self.inv("schedule.status", "--json").rc(0).json()["entries"]
        return {entry["name"]: entry for entry in said}  # type: ignore[attr-defined]

    def states(self) -> set[object]:
        return {entry["state"] for entry in self.entries().values()}

    def agents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (Path.home() / "Library/LaunchAgents").glob("*.plist")}

    def files(self) -> object:
        """All that a command could change, as hashes; launchctl notes its calls."""
        return tree(self.workspace.root, self.workspace.state, Path.home() / "Library")

    def label(self, name: str) -> str:
        return next(file.removesuffix(".plist") for file in self.agents() if file.endswith(f".{name}.plist"))


@pytest.fixture
def mac(workspace: rig.Workspace, tmp_path: Path) -> Mac:
    """One with a service to start."""
    return Mac(workspace.service("api", "sleeps.py"), tmp_path / "bin")


@pytest.mark.only("linux")
def test_registered_run_changed_mended_and_removed(mac: Mac) -> None:
    before = mac.files()
    mac.inv("schedule.register", "--dry-run").rc(0).says("would register master")
    assert mac.files() == before and mac.states() == {"missing"} and not mac.workspace.state.exists()
    mac.inv("schedule.register").rc(0).says("launchd: dev.autosys.")
    first = mac.agents()
    assert len(first) == 3 and mac.states() == {"registered"}
    assert mac.inv("schedule.register", "--json").rc(0).json()["outcomes"] == [] and mac.agents() == first
    assert [entry["last_result"] for entry in mac.entries().values()] == [None] * 3
    mac.ctl("run", mac.label("watchdog"))
    told = mac.entries()["watchdog"]
    assert told["last_result"] == 0 and told["last_run"] and len(mac.workspace.starts()) == 1
    (check,) = mac.inv("health", "--only", "autostart", "--json").rc(0).json()["checks"]  # type: ignore[misc]
    assert check["verdict"] == "OK", check  # type: ignore[has-type]
    file = Path.home() / "Library/LaunchAgents" / f"{mac.label('watchdog')}.plist"
    file.write_bytes(file.read_bytes().replace(b"<integer>300</integer>", b"<integer>30</integer>"))
    assert mac.entries()["watchdog"]["state"] == "differs"
    file.with_name(f"{file.name}.{10**8}.tmp").touch()  # of a run that was killed
    mac.inv("schedule.register").rc(0).says("update watchdog")
    assert not list(file.parent.glob("*.tmp"))
    assert mac.agents() == first and mac.states() == {"registered"}, "also while the one before was leaving"
    before = mac.files()
    mac.inv("schedule.unregister", "--dry-run").rc(0).says("would remove master")
    assert mac.files() == before
    mac.inv("schedule.unregister").rc(0)
    assert not mac.agents() and mac.states() == {"missing"} and not (mac.workspace.state / "ran").exists()
    assert json.loads((mac.folder / "loaded.json").read_text("utf-8"))["jobs"] == {}
    mac.workspace.cli("down").rc(0)


@pytest.mark.live
@pytest.mark.only("linux")
def test_an_agent_that_is_not_loaded_or_disabled_differs_and_is_mended(mac: Mac) -> None:
    mac.inv("schedule.register").rc(0)
    domain = f"gui/{os.getuid()}"
    mac.ctl("bootout", f"{domain}/{mac.label('master')}")
    mac.ctl("disable", f"{domain}/{mac.label('watchdog')}")
    seen = mac.entries()
    assert (seen["master"]["state"], seen["master"]["why"]) == ("differs", "the agent is not loaded")
    assert (seen["watchdog"]["state"], seen["watchdog"]["why"]) == ("differs", "the agent is disabled")
    mac.inv("schedule.register").rc(0).says("update master", "update watchdog")
    assert mac.states() == {"registered"}
    mac.inv("schedule.unregister").rc(0)


@pytest.mark.only("linux")
def test_without_a_session_nothing_is_registered_and_that_is_said(mac: Mac) -> None:
    (mac.folder / "ssh").touch()
    mac.inv("schedule.register").rc(3).says("no launchd session")
    assert not mac.agents() and mac.states() == {"missing"}
    (mac.folder / "launchctl").unlink()
    assert mac.states() == {"unknown"}, "nobody to ask"
