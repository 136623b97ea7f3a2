"""The table of contents: every verb that `inv --list` shows."""

from __future__ import annotations

from invoke import Collection

from autosys_tasks.tasks import backup, backup_archives, master, queue, schedule, upgrade
from autosys_tasks.tasks.bringup import bringup
from autosys_tasks.tasks.config import config
from autosys_tasks.tasks.contrib import bench, lint, test
from autosys_tasks.tasks.dashboard import dashboard
from autosys_tasks.tasks.down import down
from autosys_tasks.tasks.health import health
from autosys_tasks.tasks.init import init
from autosys_tasks.tasks.journal import journal
from autosys_tasks.tasks.logs import logs
from autosys_tasks.tasks.probe import probe
from autosys_tasks.tasks.ps import ps
from autosys_tasks.tasks.report import report
from autosys_tasks.tasks.restart import restart
from autosys_tasks.tasks.vscode import opened, remove, status, sync
from autosys_tasks.tasks.watchdog import watchdog

ns = Collection(
    bringup, config, dashboard, down, health, init, journal, logs, probe, ps, report, restart, watchdog,
    test, lint, bench,
)  # fmt: skip
ns.add_collection(Collection("backup", backup.prune))
ns.collections["backup"].add_task(backup.start, default=True)
backup_archives.names(ns.collections["backup"])
ns.add_collection(Collection("master", master.status, master.register, master.unregister))
ns.collections["master"].add_task(master.start, default=True)
ns.add_collection(Collection("queue", queue.add, queue.listed, queue.shown, queue.status))
ns.add_collection(Collection("rpa", queue.workers))
ns.add_collection(
    Collection("schedule", schedule.register, schedule.unregister, schedule.status, schedule.show, schedule.keep)
)
ns.add_collection(Collection("upgrade", upgrade.status, upgrade.rollback, upgrade.hooks))
ns.collections["upgrade"].add_task(upgrade.start, default=True)
ns.add_collection(Collection("vscode", opened, remove, status, sync))
