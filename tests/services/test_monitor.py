"""The monitor as a real process: samples that are proven, records that are not trusted blindly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import desk
import pytest
import rig

from autosys_tasks import host
from autosys_tasks.core import slots
from autosys_tasks.services.monitor.records import read_records
from autosys_tasks.services.monitor.store import KEEP_S, Store, gap_between

Keep = Callable[[desk.Served], desk.Served]


def record(state: Path, name: str, pid: int | None, **more: object) -> None:
    """What the supervisor writes of a service."""
    folder = state / "services" / name
    folder.mkdir(parents=True)
    who = host.identity(pid) if pid else None
    known = {"token": who.token, "boot": who.boot} if who else {"token": "", "boot": ""}
    slots.write(str(folder / "record.jsonl"), {"pid": pid, "instance": "i", **known, **more})


def test_it_samples_the_machine_and_the_services_that_really_run(tmp_path: Path, ended: Keep) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        try:
            record(tmp_path, "api", child.pid)
            record(tmp_path, "stopped", None)
            record(tmp_path, "recycled", child.pid, token="1")
            (tmp_path / "services" / "torn").mkdir()
            (tmp_path / "services" / "torn" / "record.jsonl").write_text("{", encoding="utf-8")
            heart = tmp_path / "heart"
            monitor = ended(
                desk.Served(
                    "monitor", "--port", 0, "--interval", "0.2", state=tmp_path, env={"AUTOSYS_HEARTBEAT": str(heart)}
                )
            )
            rig.wait_for(lambda: monitor.ask("GET", "/readyz").status == 200)
            assert heart.exists()
            latest = monitor.ask("GET", "/v1/latest").body
            services = {one["name"]: one for one in latest["services"]}
            assert services["api"]["up"] and services["api"]["rss"] > 1_000_000
            assert not services["recycled"]["up"] and not services["stopped"]["up"]
            assert latest["skipped_records"] == 1 and latest["system"]
            health = monitor.ask("GET", "/healthz")
            assert health.status == 200 and health.body["last_sample_age_s"] < 60
            first = heart.stat().st_mtime_ns
            rig.wait_for(lambda: heart.stat().st_mtime_ns > first, what="another sample")
            child.kill()
            child.wait()
            rig.wait_for(
                lambda: (
                    not [o for o in monitor.ask("GET", "/v1/latest").body["services"] if o["name"] == "api" and o["up"]]
                )
            )
            samples = monitor.ask("GET", "/v1/samples?minutes=5").body
            assert samples["system"]["rows"] and samples["services"]["rows"]
            assert monitor.ask("GET", "/v1/samples?minutes=x").status == 422
        finally:
            child.kill()


def test_asked_to_end_it_ends_at_once_and_keeps_its_samples(tmp_path: Path, ended: Keep) -> None:
    monitor = ended(desk.Served("monitor", "--port", 0, "--interval", "0.2", state=tmp_path))
    rig.wait_for(lambda: len(monitor.ask("GET", "/v1/samples?minutes=5").body["system"]["rows"]) >= 3)
    began = time.monotonic()
    assert monitor.ask_to_end() == 0
    assert time.monotonic() - began < 15
    again = ended(desk.Served("monitor", "--port", 0, "--interval", "0.2", state=tmp_path))
    rig.wait_for(lambda: again.ask("GET", "/readyz").status == 200)
    assert len(again.ask("GET", "/v1/samples?minutes=5").body["system"]["rows"]) >= 3


@pytest.mark.only("posix")
def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite3").write_bytes(b"no database at all, and long enough to be looked at" * 10)
    argv = [
        sys.executable,
        "-m",
        "autosys_tasks.services.monitor",
        "--port",
        "0",
        "--db",
        str(tmp_path / "bad.sqlite3"),
    ]
    env = {**os.environ, "AUTOSYS_STATE": str(tmp_path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1 and "bad.sqlite3" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_sleep_is_a_gap_and_not_a_death() -> None:
    """netdata#1225: eleven alarms after one resume."""
    assert gap_between(100.0, 105.0, 5.0, "slept") is None
    assert gap_between(100.0, 115.0, 5.0, "slept") is None
    gap = gap_between(100.0, 3700.0, 5.0, "slept")
    assert gap is not None and (gap.began, gap.ended, gap.why) == (100.0, 3700.0, "slept")
    back = gap_between(4000.0, 100.0, 5.0, "slept")
    assert back is not None and "clock" in back.why
    assert gap_between(None, 100.0, 5.0, "slept") is None


def test_what_is_older_than_two_days_goes(tmp_path: Path) -> None:
    from autosys_tasks.services.monitor.sample import Sampler

    store, system = Store(tmp_path / "s.sqlite3"), Sampler(tmp_path).system()
    now = 1_800_000_000.0
    for at in (now - KEEP_S - 10, now - 10):
        store.add(at, system, [], None)
    store.prune(now)
    assert len(store.page(0.0, 5.0).system) == 1


def test_no_state_folder_is_no_service() -> None:
    assert read_records(None) == ((), 0)
