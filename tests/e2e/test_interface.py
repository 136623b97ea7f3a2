"""What programs rely on: documents to the letter, nothing else on stdout, dry runs that change nothing."""

from __future__ import annotations

import json

import pytest
import rig
from seen import is_document, kill, row, rows, unchanged

PS_KEYS = {
    "name", "purpose", "state", "wanted", "pid", "uptime_s", "restarts", "last_exit", "reason", "rss_bytes",
    "cpu_percent", "ports", "safe_to_close", "log",
}  # fmt: skip

CHECK_KEYS = {"id", "title", "verdict", "evidence", "why", "ms", "fix", "fixed"}


def test_every_document_says_what_the_interface_says(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", more='purpose = "x"').service(
        "bad", "crashes.py", more='restart = "never"\nreadiness.tcp = "127.0.0.1:1"'
    )
    document = workspace.cli("bringup", "--no-guard", "--json").rc(3).json()
    is_document(document, "run", 3, workspace)
    assert document["task"] == "bringup"
    outcomes = document["outcomes"]
    assert {(o["kind"], o["target"], o["ok"]) for o in outcomes} == {("start", "api", True), ("start", "bad", True)}  # type: ignore[attr-defined]
    assert all(set(o) >= {"kind", "target", "ok", "detail", "ms"} for o in outcomes)  # type: ignore[attr-defined]
    assert sum(document["summary"].values()) == len(outcomes)  # type: ignore[attr-defined, arg-type]
    assert any("bad" in note for note in document["notes"])  # type: ignore[attr-defined]

    document = workspace.cli("ps", "--json").rc(0).json()
    is_document(document, "ps", 0, workspace)
    assert all(set(one) >= PS_KEYS for one in document["services"])  # type: ignore[attr-defined]
    assert set(document["guard"]) >= {"pid", "state"} and document["guard"]["pid"] is None  # type: ignore[arg-type, index, call-overload]
    bad = rows(workspace)["bad"]
    assert bad["pid"] is None and bad["rss_bytes"] is None and bad["uptime_s"] is None and bad["ports"] == []
    assert set(bad["last_exit"]) >= {"code", "signal", "at", "uptime_s", "log_tail"}  # type: ignore[call-overload]
    assert bad["last_exit"]["code"] == 1 and bad["last_exit"]["signal"] is None  # type: ignore[index]

    document = workspace.cli("health", "--json").rc(3).json()
    is_document(document, "health", 3, workspace)
    checks = document["checks"]
    assert all(set(check) >= CHECK_KEYS for check in checks)  # type: ignore[attr-defined]
    counts = document["counts"]
    assert set(counts) == {"OK", "WARN", "NG", "UNKNOWN", "SKIP"} and sum(counts.values()) == len(checks)  # type: ignore[arg-type, attr-defined, call-overload]
    assert document["verdict"] == "NG"
    verdicts = {check["id"]: check["verdict"] for check in checks}  # type: ignore[attr-defined]
    assert verdicts["service.api"] == "OK" and verdicts["service.bad"] == "NG"
    assert {"config", "watchdog", "autostart", "backup", "upgrade", "disk", "duplicates", "rivals", "vscode"} <= set(
        verdicts
    )
    assert all(verdicts[later] != "OK" for later in ("autostart", "backup", "upgrade", "vscode"))
    saved = json.loads((workspace.outputs / "health_latest.json").read_text(encoding="utf-8"))
    assert saved["counts"] == counts

    document = workspace.cli("watchdog", "--json").rc(3).json()
    is_document(document, "run", 3, workspace)
    document = workspace.cli("config", "--json").rc(0).json()
    is_document(document, "config", 0, workspace)
    assert document["config"]["services"]["api"]["purpose"] == "x"  # type: ignore[index, call-overload]
    assert document["sources"]["services.api.purpose"].startswith("autosys.toml:")  # type: ignore[index, call-overload]
    faults = workspace.cli("config", "--faults", "--json").rc(0).json()["faults"]
    assert {"point": "supervise.after-spawn", "room": "supervise"} in faults  # type: ignore[operator]
    document = workspace.cli("journal", "--json").rc(0).json()
    is_document(document, "journal", 0, workspace)
    for line in document["lines"]:  # type: ignore[attr-defined]
        assert set(line) >= {"v", "ts", "run", "task", "step", "target", "reason", "ok", "detail", "ms"}
    summaries = [line for line in document["lines"] if line["step"] == "summary"]  # type: ignore[attr-defined]
    assert summaries and all("counts" in line for line in summaries)
    assert {line["task"] for line in workspace.cli("journal", "--task", "watchdog", "--json").json()["lines"]} <= {
        "watchdog"
    }  # type: ignore[attr-defined]
    document = workspace.cli("down", "--json").rc(0).json()
    is_document(document, "run", 0, workspace)
    again = workspace.cli("down", "--json").rc(0).json()
    assert again["summary"] == {"done": 0, "failed": 0, "skipped": 0}


def test_dry_runs_show_the_plan_and_change_not_one_byte(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", more='depends_on = ["db"]').service("db", "sleeps.py")

    def look() -> None:
        plan = workspace.cli("bringup", "--dry-run", "--json").rc(0).json()
        is_document(plan, "plan", 0, workspace)
        assert [(s["kind"], s["target"]) for s in plan["steps"]][:2] == [("start", "db"), ("start", "api")]  # type: ignore[attr-defined]
        assert all(step["reason"] for step in plan["steps"])  # type: ignore[attr-defined]
        workspace.cli("bringup", "--dry-run", "--exit-code").rc(9)
        workspace.cli("--dry", "bringup").rc(0).says("would start db")
        workspace.cli("watchdog", "--dry-run").rc(0)
        assert workspace.cli("down", "--dry-run", "--json").rc(0).json()["steps"] == []
        workspace.cli("restart", "api", "--dry-run").rc(0)
        workspace.cli("health", "--fix", "--dry-run").rc(0)

    unchanged(workspace, look)
    workspace.cli("bringup", "--no-guard").rc(0)

    def look_again() -> None:
        assert workspace.cli("bringup", "--no-guard", "--dry-run", "--json", "--exit-code").rc(0).json()["steps"] == []
        down = workspace.cli("down", "--dry-run", "--json").rc(0).json()["steps"]
        assert [step["target"] for step in down] == ["api", "db"]  # type: ignore[attr-defined]
        workspace.cli("ps").rc(0)

    unchanged(workspace, look_again)
    workspace.cli("down").rc(0)
    told = "db: was stopped by a person, and is wanted again: api depends on it"
    for words in (["--dry-run"], ["--no-guard"]):
        assert told in str(workspace.cli("bringup", "api", "--json", *words).rc(0).json()["notes"])
    assert told not in str(workspace.cli("bringup", "api", "--no-guard").rc(0)), "it is wanted since then"


def test_health_fix_mends_looks_again_and_says_so(workspace: rig.Workspace) -> None:
    """P25."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    workspace.cli("health").rc(0)
    workspace.cli("down", "api").rc(0)
    page = workspace.cli("health", "--json").rc(0).json()
    assert {c["id"]: c["verdict"] for c in page["checks"]}["service.api"] == "SKIP"  # type: ignore[attr-defined]
    workspace.cli("bringup").rc(0)
    guard = workspace.cli("ps", "--json").json()["guard"]["pid"]  # type: ignore[index, call-overload]
    kill(guard)
    kill(row(workspace, "api")["pid"])
    workspace.cli("health").rc(3).says("->")
    page = workspace.cli("health", "--fix", "--json").rc(0).json()
    fixed = {c["id"]: c["fixed"] for c in page["checks"] if c["fixed"]}  # type: ignore[attr-defined]
    assert fixed.get("service.api") == "verified", fixed
    left = {c["verdict"] for c in page["checks"]}  # type: ignore[attr-defined]
    assert left <= {"OK", "SKIP", "UNKNOWN"}, "Wine does not list the tasks of its scheduler"
    workspace.cli("down").rc(0)


@pytest.mark.portable
def test_a_torn_journal_and_a_foreign_line_are_passed_over_and_counted(workspace: rig.Workspace) -> None:
    """P57."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    path = workspace.outputs / "watchdog_log.jsonl"
    with path.open("ab") as file:
        file.write(b'not json\n{"a": 1}\n{"v":1,"ts":"2026')
    workspace.cli("watchdog").rc(0)
    document = workspace.cli("journal", "--json").rc(0).json()
    assert document["skipped"] == 3
    assert document["lines"][-1]["task"] == "watchdog"  # type: ignore[index]
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[-1:])
