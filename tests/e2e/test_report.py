"""The report and the dashboard of a workspace whose services really died and were really healed."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import rig
from html_page import Page
from seen import kill, row, unchanged

from autosys_tasks.core import journal
from autosys_tasks.core.clock import utc_text
from autosys_tasks.report import samples
from autosys_tasks.services.monitor.sample import ServiceSample, System
from autosys_tasks.services.monitor.store import Gap, Store

EVIL = "답 <script>alert(1)</script> & 한글 | x"


def well_formed(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    Page(text).needs_nothing_from_outside()
    assert text.rstrip().endswith("</html>")
    return text


def monitored(space: rig.Workspace) -> rig.Workspace:
    """A workspace with the real monitor in it, five samples a second."""
    port = rig.free_port()
    argv = [sys.executable, "-m", "autosys_tasks.services.monitor", "--port", str(port), "--interval", "0.2"]
    text = f'[workspace]\nlanguage = "en"\n[services.monitor]\ncommand = {json.dumps(argv)}\n'
    ready = f'[services.monitor.readiness]\nhttp = "http://127.0.0.1:{port}/readyz"\n'
    return space.write(text + ready)


def service(document: dict[str, object], name: str) -> dict[str, object]:
    return next(one for one in document["services"] if one["name"] == name)  # type: ignore[attr-defined]


@pytest.mark.only("posix")
def test_a_kill_that_the_guard_healed_is_an_incident_and_the_files_agree(workspace: rig.Workspace) -> None:
    monitored(workspace).service("api", "sleeps.py", more=f"purpose = {json.dumps(EVIL)}")
    workspace.cli("bringup").rc(0)
    old = row(workspace, "api")["pid"]
    kill(old)
    rig.wait_for(lambda: row(workspace, "api")["pid"] not in (None, old))

    def told() -> dict[str, object] | None:
        document = workspace.cli("report", "--json").rc(0).json()
        known = service(document, "api")["samples"]
        return document if isinstance(known, int) and known > 5 and service(document, "api")["uptime_percent"] else None

    document = rig.wait_for(told, what="samples of api")
    assert isinstance(document, dict) and document["schema"] == "autosys.report/1" and document["verdict"] == "OK"
    (incident,) = document["incidents"]
    assert (incident["service"] == "api" and "killed" in incident["cause"]) or "died" in incident["cause"]
    assert not incident["open"] and 0 <= incident["recovery_s"] < rig.WAIT_S and incident["restarts"] == 1
    api = service(document, "api")
    assert sum(api["restarts"]["by_reason"].values()) == api["restarts"]["total"] == 1  # type: ignore[call-overload, index]
    assert api["up_s"] + api["down_s"] == pytest.approx(api["observed_s"], abs=0.01)  # type: ignore[operator]
    assert 0 < document["observed"]["seconds"] < 3600, "a day of which nobody watched more"
    assert api["rss_bytes_median"] > 1_000_000 and document["machine"]["samples"] > 5  # type: ignore[operator]
    saved = json.loads((workspace.outputs / "monitoring_report_latest.json").read_text(encoding="utf-8"))
    assert {key: saved[key] for key in document if key != "workspace"} == {
        key: document[key] for key in document if key != "workspace"
    }
    page = well_formed(workspace.outputs / "monitoring_report_latest.html")
    text = (workspace.outputs / "monitoring_report_latest.md").read_text(encoding="utf-8")
    up = f"{api['uptime_percent']:g} %"
    assert up in page and up in text and "&lt;script&gt;" in page and "<script>" not in page
    assert sorted(path.name for path in workspace.outputs.glob("*.tmp")) == []
    workspace.cli("down").rc(0)


@pytest.mark.only("posix")
def test_what_is_down_now_is_open_with_what_to_type_and_the_dashboard_says_so(workspace: rig.Workspace) -> None:
    code = f"print({EVIL!r}, flush=True); raise SystemExit(3)"
    argv = json.dumps([sys.executable, "-c", code])
    never = 'readiness = { file = "never there", max_age_s = 9 }'  # so that it is not ready as long as it lives
    workspace.write(f'[services.bad]\ncommand = {argv}\nrestart = "never"\npurpose = {json.dumps(EVIL)}\n{never}\n')
    workspace.cli("bringup", "--no-guard").rc(3)
    document = workspace.cli("report", "--json").rc(0).json()
    (incident,) = document["incidents"]  # type: ignore[misc]
    assert document["verdict"] == "NG" and incident["open"] and incident["recovered"] is None  # type: ignore[index]
    assert document["next"] == [{"service": "bad", "why": incident["cause"], "type": "autosys logs bad"}]  # type: ignore[index]
    assert EVIL in str(service(document, "bad")["last_words"])
    for kind in ("json", "md", "html"):
        written = (workspace.outputs / f"monitoring_report_latest.{kind}").read_text(encoding="utf-8")
        assert "autosys logs bad" in written and "inv logs" not in written, "nobody can type `inv` here"
    assert service(document, "bad")["uptime_percent"] is None and not document["observed"]["evidence"]  # type: ignore[index, call-overload]

    said = workspace.cli("dashboard").rc(0).says("NG", "autosys", "dashboard_latest.html")
    assert len(said.out.splitlines()) < 20
    page = well_formed(workspace.outputs / "dashboard_latest.html")
    assert "<script>" not in page and "alert(1)&lt;/script&gt;" in page and "service bad" in page
    assert "autosys logs bad" in page and "inv " not in page
    assert (workspace.outputs / "health_latest.json").exists(), "made when there was none"
    shown = workspace.cli("dashboard", "--json").rc(0).json()
    assert shown["schema"] == "autosys.dashboard/1" and shown["verdict"] == "NG" and not shown["checks"]["stale"]  # type: ignore[index, call-overload]
    workspace.cli("down").rc(0)


@pytest.mark.only("posix")  # a command takes long to start in Wine
def test_an_old_health_page_is_shown_as_old_and_a_broken_one_is_made_anew(workspace: rig.Workspace) -> None:
    """P21."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    workspace.cli("health")
    path = workspace.outputs / "health_latest.json"
    health = json.loads(path.read_text(encoding="utf-8"))
    health["at"] = "2020-01-01T00:00:00.000Z"
    path.write_text(json.dumps(health), encoding="utf-8")
    shown = workspace.cli("dashboard", "--json").rc(0).json()
    assert shown["checks"]["stale"] and shown["checks"]["age_s"] > 1e8 and shown["verdict"] != "OK"  # type: ignore[index, call-overload]
    assert 'class="stale"' in well_formed(workspace.outputs / "dashboard_latest.html")
    path.write_text('{"checks": [', encoding="utf-8")
    assert not workspace.cli("dashboard", "--json").rc(0).json()["checks"]["stale"]  # type: ignore[index, call-overload]
    workspace.cli("down").rc(0)


@pytest.mark.only("posix")  # a command takes long to start in Wine
def test_no_evidence_and_torn_lines_are_said(workspace: rig.Workspace) -> None:
    """P24, P57."""
    workspace.service("api", "sleeps.py")
    workspace.file("outputs/watchdog_log.jsonl.1", 'not json\n{"a": 1}\n')
    lines = [{"v": 1, "ts": "yesterday"}, {"v": 1, "ts": "2026-01-01T00:00:00Z", "ms": "x"}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    workspace.file("outputs/watchdog_log.jsonl", text + '{"v":1,"ts":"2026')
    document = workspace.cli("report", "--json").rc(0).json()
    assert document["skipped_lines"] == 5
    assert document["observed"]["percent"] is None and document["samples_trouble"]  # type: ignore[index, call-overload]
    korean = {"AUTOSYS_LANG": "ko"}
    workspace.cli("report", env=korean).rc(0).says("증거 없음", "autosys")
    assert 'lang="ko"' in well_formed(workspace.outputs / "monitoring_report_latest.html")
    page = (workspace.outputs / "monitoring_report_latest.md").read_text(encoding="utf-8")
    assert "증거 없음" in page and not re.search(r"\d %", page)
    workspace.write('[workspace]\nlanguage = "en"\n')
    workspace.cli("dashboard", env=korean).rc(0)
    assert 'lang="en"' in well_formed(workspace.outputs / "dashboard_latest.html")


@pytest.mark.only("posix")  # a command takes long to start in Wine
def test_formats_hours_and_wrong_words(workspace: rig.Workspace) -> None:
    workspace.write("")
    workspace.cli("report", "--format", "mdd").rc(2).says("`mdd`", "`md`")
    assert workspace.cli("report", "--format", "", "--json").rc(2).json()["error"]["kind"] == "usage"  # type: ignore[index, call-overload]
    for hours in ("0", "-3", "nan", "1e9"):
        workspace.cli("report", "--hours", hours).rc(2).says("--hours")
    workspace.cli("dashboard", "--hours", "soon").rc(2)

    def dry() -> None:
        plan = workspace.cli("report", "--dry-run", "--format", "md", "--json").rc(0).json()
        assert [(step["kind"], step["target"]) for step in plan["steps"]] == [  # type: ignore[attr-defined]
            ("write", "outputs/monitoring_report_latest.md")
        ]
        workspace.cli("dashboard", "--dry-run", "--exit-code").rc(9)

    unchanged(workspace, dry)
    workspace.cli("report", "--format", "md, json", "--hours", "0.5").rc(0)
    assert {path.suffix for path in workspace.outputs.glob("monitoring*")} == {".md", ".json"}
    workspace.file("elsewhere")
    workspace.write("[services.x]\nwrong = 1\n")
    workspace.cli("report").rc(2)
    workspace.cli("dashboard").rc(2)


@pytest.mark.only("posix")
def test_outputs_that_cannot_be_written_are_named(workspace: rig.Workspace) -> None:
    workspace.write("")
    workspace.file("outputs", "in the way")
    for task in ("report", "dashboard"):
        said = workspace.cli(task).rc(1)
        assert "outputs" in said.err and "Traceback" not in said.err


@pytest.mark.only("posix")
def test_the_browser_is_given_the_page(workspace: rig.Workspace, tmp_path: Path) -> None:
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n', encoding="utf-8")
    browser.chmod(0o755)
    workspace.write("")
    workspace.cli("dashboard", "--open", env={"BROWSER": f"{browser} %s"}).rc(0)
    opened = rig.wait_for(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text("utf-8"))
    assert str(opened).strip() == (workspace.outputs / "dashboard_latest.html").resolve().as_uri()


@pytest.mark.portable
def test_a_live_page_is_of_this_moment_says_what_keeps_it_and_writes_nothing(workspace: rig.Workspace) -> None:
    """`dashboard --live`: the page of this moment on 127.0.0.1, asked for again, until Ctrl-C."""
    workspace.write('[workspace]\nlanguage = "en"\n').service("api", "sleeps.py")
    usage = workspace.cli("dashboard", "--live", "--json").rc(2).json()
    assert "one document" in usage["error"]["message"]  # type: ignore[call-overload, index]
    workspace.cli("dashboard", "--live", "--dry-run").rc(0).says("would serve dashboard")
    live = workspace.start("dashboard", "--live", console=True)
    assert live.process.stdout
    url = live.process.stdout.readline().decode("ascii").split()[0]

    def ask(host: str = "", path: str = "") -> tuple[int, str]:
        request = urllib.request.Request(url + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.headers["Refresh"] == "5"
                return answer.status, answer.read().decode("utf-8")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8")

    def look() -> None:
        status, text = ask()
        Page(text).needs_nothing_from_outside()
        assert status == 200 and "renews itself" in text and "autosys bringup api" in text

    unchanged(workspace, look)
    assert ask(host="somewhere.example")[0] == 403 and ask(path="favicon.ico")[0] == 404
    good = (workspace.root / "autosys.toml").read_text(encoding="utf-8")
    workspace.write("[servces.api]\n")
    rig.wait_for(lambda: ask()[0] == 503 and "services" in ask()[1], what="the fault of the file", every_s=0.5)
    workspace.write(good).cli("bringup", "--no-guard").rc(0)
    pid = str(row(workspace, "api")["pid"])
    rig.wait_for(lambda: pid in ask()[1], what=f"a page that shows pid {pid}", every_s=0.5)
    live.interrupt()
    live.result().rc(130).says("not served any more")


def filled(path: Path, began: float, ended: float, step_s: float, names: tuple[str, ...]) -> None:
    """Samples as the monitor's own store keeps them."""
    store = Store(path)
    store.add(began - 9, System(*[None] * 11), [], Gap(began - 60, began - 9, "the monitor did not run"))
    store.close()
    system = System(10.0, 50.0, 1, 0.0, 40.0, 9_000_000_000, 1.0, 1.0, 1.0, 1.0, 0.5)
    sql = sqlite3.connect(path)
    with sql:
        times = [began + step_s * n for n in range(int((ended - began) / step_s) + 1)]
        marks = ",".join("?" * (len(System._fields) + 1))
        sql.executemany(f"INSERT INTO system VALUES ({marks})", [(at, *system) for at in times])
        rows = [(at, *ServiceSample(name, 1, 1, 2.0, 30_000_000, 3)) for at in times for name in names]
        sql.executemany("INSERT INTO services VALUES (?,?,?,?,?,?,?)", rows)
    sql.close()


def test_the_report_reads_what_the_monitor_keeps(tmp_path: Path) -> None:
    """Two rooms know one format: the store writes it, the report reads it, and leaves no file behind."""
    path = tmp_path / samples.FILE
    now = time.time()
    filled(path, now - 600, now, 15, ("api",))
    before = sorted(os.listdir(path.parent))
    found = samples.read(tmp_path, now - 3600, now + 1)
    assert not found.trouble and len(found.machine) == 42 and len(found.services["api"]) == 41
    assert found.machine[-1].disk_free_bytes == 9_000_000_000 and found.services["api"][0].rss_bytes == 30_000_000
    assert [gap.why for gap in found.gaps] == ["the monitor did not run"]
    assert sorted(os.listdir(path.parent)) == before
    path.write_bytes(b"not a database at all, " * 99)
    assert "cannot be read" in samples.read(tmp_path, 0, now).trouble
    assert samples.read(tmp_path / "nowhere", 0, now).trouble


@pytest.mark.portable
def test_a_full_day_is_told_within_a_second_and_a_half(workspace: rig.Workspace) -> None:
    now = time.time()
    names = ("api", "queue", "worker")
    workspace.write("".join(f'[services.{name}]\ncommand = ["sleep", "600"]\n' for name in names))
    filled(workspace.state / samples.FILE, now - 86400, now, 15, names)
    stamp = time.strftime("%Y-%m-%dT", time.gmtime(now - 43200))
    line = '{"v":1,"ts":"%s%02d:%02d:00.000Z","run":"r","task":"watchdog","step":"summary","target":"","reason":"",'
    ticks = [
        line % (stamp, n // 60, n % 60) + '"ok":true,"detail":"3 as wanted","ms":5,"counts":{}}\n' for n in range(1440)
    ]
    workspace.file("outputs/watchdog_log.jsonl", "".join(ticks))
    took_s = min(rig.cost_s(lambda: workspace.cli("report", "--json").rc(0)) for _ in range(3))
    assert took_s < (1.5 if sys.platform == "linux" else 6) * rig.stretched(), took_s
    sizes = [path.stat().st_size for path in workspace.outputs.glob("monitoring*")]
    assert len(sizes) == 3 and max(sizes) < 60_000


@pytest.mark.live
@pytest.mark.only("posix")
def test_journals_as_full_as_they_get_are_told_in_seconds(workspace: rig.Workspace) -> None:
    """Five full files, all of this day: a tick and a healed death in turn. It is a second's work of one core."""
    workspace.write('[services.api]\ncommand = ["sleep", "600"]\n')
    line = '{"v":1,"ts":"%s","run":"r","task":"%s","step":"%s","target":"%s","reason":"%s","ok":true,"ms":5%s}\n'
    kinds = (("watchdog", "summary", "", "", ',"counts":{},"not_so":[]'), ("guard", "start", "api", "exited 3", ""))
    size = len(line % ("x" * 24, *kinds[0]))
    count = (journal.KEEP + 1) * journal.ROTATE_BYTES // size
    began, step_s = time.time() - 80_000, 79_000 / count
    for part in range(journal.KEEP + 1):
        numbers = range(part * count // (journal.KEEP + 1), (part + 1) * count // (journal.KEEP + 1))
        texts = [line % (utc_text(began + number * step_s), *kinds[number % 2]) for number in numbers]
        older = journal.KEEP - part
        workspace.file(f"outputs/watchdog_log.jsonl{f'.{older}' if older else ''}", "".join(texts))
    results: list[rig.Result] = []
    spent_s = rig.cost_s(lambda: results.append(workspace.cli("report", "--json").rc(0)))
    document = results[0].json()
    assert service(document, "api")["restarts"] == {"total": count // 2, "by_reason": {"exited 3": count // 2}}
    assert document["skipped_lines"] == 0
    assert spent_s < 4 * rig.stretched(), "work, not time: others may be at work too"


def test_a_language_that_is_none_of_ours_is_said_once_and_stops_nothing(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    for task in ("report", "dashboard"):
        said = workspace.cli(task, env={"AUTOSYS_LANG": "xx"}).rc(0)
        assert said.err.count("AUTOSYS_LANG: `xx` is none of en, ko, auto") == 1
        assert "AUTOSYS_LANG" not in workspace.cli(task, env={"AUTOSYS_LANG": "KO"}).rc(0).err
