"""From the moment the logon's timer fires until all three services are ready (issue 5: under 10 s)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
import rig
import user_manager

from autosys_tasks.config.load import load
from autosys_tasks.supervise import show
from autosys_tasks.supervise.house import house_of

pytestmark = [pytest.mark.only("linux"), pytest.mark.capability("user manager")]
MOST_S = 10.0
NAMES = {"queue", "worker", "monitor"}
TOML = """
[schedule]
master = {{ at = "logon", delay = "1s" }}
[services.queue]
command = [{python}, "-m", "autosys_tasks.services.queue", "--port", "{queue}"]
readiness = {{ http = "http://127.0.0.1:{queue}/readyz" }}
[services.worker]
command = [{python}, "-m", "autosys_tasks.services.worker", "--server", "http://127.0.0.1:{queue}"]
depends_on = ["queue"]
readiness = {{ heartbeat = true }}
[services.monitor]
command = [{python}, "-m", "autosys_tasks.services.monitor", "--port", "{monitor}"]
readiness = {{ http = "http://127.0.0.1:{monitor}/readyz" }}
"""


def test_all_is_ready_within_ten_seconds_of_the_timer(
    workspace: rig.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others work too, within what they stretch ten seconds to: by how much they stretch a bare command."""
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    ports = {"queue": rig.free_port(), "monitor": rig.free_port()}
    house = house_of(load(workspace.write(TOML.format(python=json.dumps(sys.executable), **ports)).root))
    home = tmp_path / "home"
    home.mkdir()
    with user_manager.running(home, workspace.env()) as before:
        workspace.cli("schedule.register", "--only", "master", env=before.env).rc(0)
    (home / "run").rename(home / "run of before")

    def all_ready() -> bool:
        seen = show.picture(house, NAMES).decisions
        return all(seen[name].state == "ready" for name in NAMES)

    with user_manager.running(home, workspace.env()) as logon:
        rig.wait_for(all_ready, 120, every_s=0.05, what="all three to be ready")
        ready, began = time.monotonic(), time.monotonic()
        used_s = rig.cost_s(lambda: workspace.cli("journal").rc(0))
        stretched = max(1.0, (time.monotonic() - began) / used_s)
        (unit,) = logon.units.glob("*-master.service")
        fired = logon.ctl("show", unit.name, "--property=InactiveExitTimestampMonotonic", "--value")
        took_s = ready - int(fired) / 1e6
        assert 0.0 < took_s < MOST_S * stretched, (took_s, stretched)
        workspace.cli("down").rc(0)
