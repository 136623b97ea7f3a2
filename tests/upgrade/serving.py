"""A service that runs in an environment, and what is known of both."""

from __future__ import annotations

import json

from upgrade_desk import Desk

from autosys_tasks import host
from autosys_tasks.supervise import runs
from autosys_tasks.upgrade.stamps import read_record
from autosys_tasks.upgrade.values import Record

SERVER = "import tiny, time; print('ready', tiny.VERSION, flush=True); time.sleep(200)"
SERVICE = f"""
[services.NAME]
command = ["python", "-c", {json.dumps(SERVER)}]
ENVIRONMENT
restart = "never"
stop_timeout_s = 1
[services.NAME.readiness]
log = "ready"
start_timeout_s = 5
"""


def serves(desk: Desk, name: str, environment: str = 'environment = "main"') -> None:
    """A service that is ready when it has imported the package."""
    path = desk.root / "autosys.toml"
    text = SERVICE.replace("NAME", name).replace("ENVIRONMENT", environment)
    desk.space.write(path.read_text(encoding="utf-8") + text)


def pid(desk: Desk, name: str) -> int | None:
    """Of the service, when it lives and is ready."""
    from autosys_tasks.supervise.state import read_record as record_of

    found, _corrupt = record_of(desk.house().place, name)
    lives = found is not None and found.leader is not None and host.alive(found.leader)
    return found.pid if lives and found else None


def up(desk: Desk) -> runs.Report:
    return runs.bring_up(desk.house(), (), wanted_only=False, guard=False, timeout_s=20)


def remembered(desk: Desk, name: str = "main") -> Record:
    return read_record(desk.house().place, name)
