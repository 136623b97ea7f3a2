"""A workspace whose tasks are quick: `master` and `watchdog` note that they ran, the rest is real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.schedule import resident, run_key
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every, Site
from autosys_tasks.supervise.house import house_of

DELAY_S, BEAT_S = 0.5, 1.0
LOST = 0  # whether the interpreter is not where it was


def entries() -> tuple[Entry, ...]:
    """The two of every workspace and one a day, with times that a test can wait for."""
    return (
        Entry("master", "", AtLogon(DELAY_S), ("master",), 20),
        Entry("watchdog", "", Every(BEAT_S), ("watchdog",), 4),
        Entry("backup", "", Daily("00:00:00"), ("backup",), 20),
    )


def site_of(file: str) -> Site:
    """The workspace in whose folder this module stands under another name."""
    folder = os.path.dirname(os.path.abspath(file))
    module = os.path.splitext(os.path.basename(file))[0]
    env = (("AUTOSYS_STATE", os.environ["AUTOSYS_STATE"]),)
    log = os.path.join(folder, "outputs", "schedule.log")
    windowless = os.path.join(os.path.dirname(sys.executable), "pythonw.exe")
    python = "/no/such/python" if LOST else windowless if os.path.isfile(windowless) else sys.executable
    return Site("desk-1a2b3c4d", folder, (python, "-X", "utf8", "-m", module), "S-1-0", log, env)


def by_run_key(site: Site, entry: Entry, task: str) -> str:
    """Register or unregister one entry; what was done."""
    return run_key.install(site, entry) if task == "schedule.register" else run_key.remove(site, entry.name)


def start_others(folder: Path) -> None:
    """A part of this run, and a service with a life of its own, which no end of this run may end."""
    code = "import os, sys, time; open(sys.argv[1] + str(os.getpid()), 'x').close(); time.sleep(600)"
    for name, more in (("part ", {}), ("service ", {"AUTOSYS_INSTANCE": "i1", "AUTOSYS_SERVICE": "api"})):
        argv, env = [sys.executable, "-c", code, str(folder / "ran" / name)], {**os.environ, **more}
        flags = host.spawn_flags() if more else {}
        subprocess.Popen(argv, env=env, **flags)  # type: ignore[call-overload]


def main(file: str) -> None:
    """Run the task that the command line names."""
    task = sys.argv[1]
    if task == "schedule.keep":
        site = site_of(file)
        house = house_of(load(Path(site.folder)))
        sys.exit(resident.keep(house, site, entries(), lambda text: print(text, flush=True)))
    if task in ("schedule.register", "schedule.unregister"):
        site = site_of(file)
        sys.exit(print([by_run_key(site, entry, task) for entry in entries()[:2]]))
    ran = Path(file).parent / "ran"
    ran.mkdir(exist_ok=True)
    (ran / f"{task} {time.time():.3f} {os.getpid()}").touch()
    print(f"{task} says 책상", flush=True)
    if (Path(file).parent / f"{task} hangs").exists():
        start_others(Path(file).parent)
        time.sleep(600)
    if (Path(file).parent / f"{task} is slow").exists():
        time.sleep(2)
        (ran / f"{task} done").touch()
    sys.exit(3 if (Path(file).parent / f"{task} fails").exists() else 0)
