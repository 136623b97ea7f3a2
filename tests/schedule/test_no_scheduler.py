"""Where no scheduler answers: who asked for a registration is told what helps, by every command, until it is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rig

from autosys_tasks.schedule import cron, systemd

GUARD = "the guard has the ticks run while all is up: autosys bringup"
pytestmark = pytest.mark.only("linux")


class Bare:
    """A machine with neither a user manager nor cron."""

    def __init__(self, workspace: rig.Workspace, folder: Path) -> None:
        folder.mkdir()
        self.workspace = workspace
        self.env: dict[str, str | None] = {"PATH": str(folder)}

    def cli(self, *words: str) -> rig.Result:
        return self.workspace.cli(*words, env=self.env)

    def autostart(self, *more: str) -> dict[str, Any]:
        said: Any = self.cli("health", "--only", "autostart", "--json", *more).rc(0, 3).json()
        return {**said["checks"][0], "exit_code": said["exit_code"]}


@pytest.fixture
def bare(workspace: rig.Workspace, tmp_path: Path) -> Bare:
    return Bare(workspace.service("api", "sleeps.py"), tmp_path / "bin")


def test_register_and_status_name_the_way_out_and_not_each_other(bare: Bare) -> None:
    for task, code in (("schedule.register", 3), ("schedule.status", 0), ("master.status", 0)):
        said = bare.cli(task).rc(code).says("install cron (", GUARD)
        assert "schedule.status" not in said.out, said.out
        assert said.out.count("install cron (") == 1, f"said once: {said.out}"
    notes: Any = bare.cli("schedule.status", "--json").rc(0).json()["notes"]
    assert notes[-2] == (
        "no scheduler of this system takes an entry: systemd: no systemd user manager answers"
        " (there is no `systemctl`); cron: no crontab command"
    )
    assert notes[-1].startswith("   -> install cron")
    assert bare.cli("schedule.register", "--json").rc(3).json()["notes"] == notes


def test_a_registration_that_was_wanted_and_is_impossible_is_red_until_it_is_wanted_no_more(bare: Bare) -> None:
    never = bare.autostart()
    assert (never["verdict"], never["exit_code"]) == ("SKIP", 0) and "install cron" in never["fix"]["text"]
    bare.cli("master.register").rc(3)
    red = bare.autostart()
    assert (red["verdict"], red["exit_code"]) == ("NG", 3)
    assert red["why"].startswith("master, watchdog: wanted, and missing: systemd: ") and "no crontab" in red["why"]
    assert "install cron" in red["fix"]["text"] and "autosys schedule.unregister" in red["fix"]["text"]
    assert bare.autostart("--fix")["fixed"] == "not_applied", "no command of ours can mend it"
    bare.cli("schedule.unregister").rc(0)
    assert bare.autostart()["verdict"] == "SKIP"
    assert not (bare.workspace.root / "outputs" / "registered_as.json").exists()


def test_without_a_guard_nobody_is_promised_ticks(bare: Bare) -> None:
    bare.workspace.write("[watchdog]\nguard = false\n")
    assert "the guard" not in bare.cli("schedule.status").rc(0).says("install cron").out


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "`apt install cron`"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "`dnf install cronie`"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "`zypper install cronie`"),
        ({"ID": "strange"}, "its package is called cron or cronie"),
    ],
)
def test_cron_has_the_name_of_its_package_here(
    said: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: said)
    assert cron.way_out() == f"install cron ({words})"


def test_lingering_is_advised_where_systemd_runs_the_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.isdir", lambda path: str(path) == "/run/systemd/system")
    assert "loginctl enable-linger" in systemd.way_out()
    monkeypatch.setattr("os.path.isdir", lambda path: False)
    assert systemd.way_out() == ""
