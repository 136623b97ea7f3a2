"""What a service is given of its starter's environment, and that no secret in it gets anywhere else."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import rig

from autosys_tasks import host


def test_secrets_reach_the_service_and_nothing_else(workspace: rig.Workspace) -> None:
    """P55."""
    secret = "s3cr3t-value-4711"
    workspace.file(".env", f"TOKEN={secret}\n")
    code = "import os, sys; print('hello', os.environ['TOKEN'], sys.argv[1], flush=True); sys.exit(3)"
    argv = json.dumps([sys.executable, "-c", code, "${env:OTHER}"])
    workspace.write(f'[services.api]\ncommand = {argv}\nenv_file = [".env"]\nrestart = "never"\n')
    env = {"OTHER": "an0ther-secret"}
    said = "".join(
        str(workspace.cli(*args, env=env))
        for args in (
            ("bringup", "--no-guard"), ("ps", "--json"), ("ps",), ("health", "--json"), ("config", "--json"),
            ("config",), ("journal", "--json"), ("watchdog", "--json"), ("bringup", "--dry-run", "--json"),
        )
    )  # fmt: skip
    assert "hello" in (workspace.outputs / "logs" / "api.log").read_text(encoding="utf-8")
    assert secret in (workspace.outputs / "logs" / "api.log").read_text(encoding="utf-8"), "the service had it"
    for hidden in (secret, "an0ther-secret"):
        assert hidden not in said
        for path in [*workspace.outputs.rglob("*"), *workspace.state.rglob("*")]:
            if path.is_file() and path.name != "api.log":
                assert hidden not in path.read_text(encoding="utf-8", errors="replace"), path


def test_a_service_has_its_starters_environment_less_what_was_the_starters_own(workspace: rig.Workspace) -> None:
    code = "import json, os; print(json.dumps(dict(os.environ)), flush=True); import time; time.sleep(600)"
    argv = json.dumps([sys.executable, "-c", code])
    workspace.file("one.env", 'A=from file\nB="quoted # value"\n')
    bins = Path(host.bin_folder(str(workspace.root / "venv")))
    bins.mkdir(parents=True)
    workspace.write(
        f'[environments.main]\nkind = "python"\npath = "venv"\n[services.api]\ncommand = {argv}\n'
        'environment = "main"\nenv_file = ["one.env"]\nenv = { A = "from env", C = "${env:KEPT:-no}" }\n'
    )
    given = {"KEPT": "kept", "VIRTUAL_ENV": "/other", "AUTOSYS_FAULT": "upgrade.after-switch:kill"}
    workspace.cli("bringup", "--no-guard", env=given).rc(0)
    log = workspace.outputs / "logs" / "api.log"
    env = rig.wait_for(lambda: log.read_text(encoding="utf-8").strip())
    seen = json.loads(str(env).splitlines()[0])
    assert (seen["A"], seen["B"], seen["C"], seen["KEPT"]) == ("from env", "quoted # value", "kept", "kept")
    assert seen["PATH"].split(os.pathsep)[0] == str(bins)
    assert seen["VIRTUAL_ENV"] == str(workspace.root / "venv") and "AUTOSYS_FAULT" not in seen
    assert seen["AUTOSYS_SERVICE"] == "api" and len(seen["AUTOSYS_INSTANCE"]) == 36
    assert Path(seen["AUTOSYS_HEARTBEAT"]).parent.is_dir()
