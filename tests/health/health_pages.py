"""The page that `inv health` shows, asked of a real workspace."""

from __future__ import annotations

import rig

from autosys_tasks.core.verdict import NG, OK, UNKNOWN


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
    """The checks by id, of a page that is green or red."""
    return checks(workspace.cli("health", "--json", *args).rc(0, 3))
