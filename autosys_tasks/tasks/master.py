"""`inv master`: after logon, everything at once. `master.status`, `.register` and `.unregister` go with it."""

from __future__ import annotations

from typing import Any

from autosys_tasks.tasks.border.documents import finish, run_fields, show_plan
from autosys_tasks.tasks.border.streams import say
from autosys_tasks.tasks.border.verb import is_dry, verb
from autosys_tasks.tasks.border.workspace import house

ENTRIES = ("master", "watchdog")  # what keeps a workspace running; the backup has its own
LAST = ("master", "summary")  # the task and the step of the line that a run ends with


@verb(interrupted="what was started goes on; `inv ps` shows it")
def start(c, timeout=120.0, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Install what a pull brought, bring up what is wanted, with the guard, then look at the health of everything."""
    import time
    from pathlib import Path

    # All of it before an upgrade, which may change the packages that this very run is made of.
    import autosys_tasks.health.run
    import autosys_tasks.health.show
    import autosys_tasks.supervise.messages
    import autosys_tasks.supervise.runs  # noqa: F401
    from autosys_tasks import host
    from autosys_tasks.backup import night
    from autosys_tasks.bootstrap import lastgood
    from autosys_tasks.core.files import check_writable
    from autosys_tasks.core.journal import Journal
    from autosys_tasks.schedule import registered_entries

    home = house()
    missed = night.why_missed(home, registered=registered_entries.nightly(home.place))
    if is_dry(c, dry_run):
        return show_plan(home.config, _planned(home, missed), as_json=json, exit_code=exit_code)
    for folder in (home.outputs, Path(home.place.folder)):
        check_writable(folder)  # said once, and not by every step in turn
    began = time.monotonic()
    links = [("bringup", _bring_up), ("health", _health)]
    links[:0] = [("upgrade", _upgrade)] if home.config.upgrade.on_pull else []
    links[-1:-1] = [("backup", _catch_up)] if missed else []
    with Journal(home.outputs, "master", host, file="master") as journal:
        for step, run in links:
            outcome = _outcome(step, run, home, timeout)
            journal.add(outcome)
            say(f"{'' if outcome.ok else 'NG '}{step}: {outcome.detail}")
        bad = [outcome for outcome in journal.outcomes if outcome.ok is not True]
        detail = f"NG: {', '.join(each.step.kind for each in bad)}" if bad else "OK"
        journal.close(ok=not bad, detail=detail, ms=round((time.monotonic() - began) * 1000))
    lastgood.keep(home.place.folder)
    hint = ["   -> inv health"] if bad else []
    fields = run_fields("master", journal.outcomes)
    return finish(home.config, "run", 3 if bad else 0, fields, [detail, *hint], json)


def _planned(home: Any, missed: str) -> Any:
    from autosys_tasks.supervise import runs
    from autosys_tasks.upgrade import run

    plan = runs.plan_up(home, (), asked=False, guard=True, task="master")
    if home.config.upgrade.on_pull:
        before = run.planned(home).plan
        plan = plan._replace(steps=(*before.steps, *plan.steps), notes=(*before.notes, *plan.notes))
    if missed:
        plan = plan._replace(notes=(*plan.notes, f"would begin a backup: {missed}"))
    return plan


def _outcome(step: str, run: Any, home: Any, timeout: float) -> Any:
    """One step to its end: what goes wrong in it is NG, and the next one still runs."""
    import time

    from autosys_tasks.core.errors import AutosysError
    from autosys_tasks.core.files import cannot_write
    from autosys_tasks.core.plan import Outcome, Step

    began = time.monotonic()
    try:
        ok, detail = run(home, timeout)
    except AutosysError as error:
        ok, detail = False, error.message
    except OSError as error:
        ok, detail = False, cannot_write(error.filename or "a file", error, "read or write").message
    return Outcome(Step(step, home.config.name, "logon"), ok, detail, round((time.monotonic() - began) * 1000))


def _upgrade(home: Any, timeout: float) -> tuple[bool, str]:
    from autosys_tasks.upgrade import run

    report = run.upgrade(home, wait_s=timeout)
    failed = [f"{each.step.target}: {each.detail}" for each in report.outcomes if each.ok is False]
    return not report.code, "; ".join([run.verdict(report), *failed, *report.notes])


def _bring_up(home: Any, timeout: float) -> tuple[bool, str]:
    from autosys_tasks.supervise import messages, run_lock, runs

    with run_lock.held(home.place, "master", wait_s=timeout):
        report = runs.bring_up(home, (), wanted_only=True, guard=True, timeout_s=timeout)
    return not report.not_so, "; ".join(messages.notes(report)) or messages.verdict_lines(report)[-1]


def _catch_up(home: Any, timeout: float) -> tuple[bool, str]:
    """A night that was missed is caught up in the background; what comes of it, the next health says."""
    from autosys_tasks.backup import night

    return True, night.start(home, registered=True) or "it has begun already"


def _health(home: Any, timeout: float) -> tuple[bool, str]:
    from autosys_tasks.health import run, show
    from autosys_tasks.tasks.health import document

    checks = run.page(home)
    trouble = run.keep(home, document(home, checks))
    return run.exit_code(checks, trouble) == 0, trouble or show.verdict_line(checks)


@verb()
def status(c, json=False):  # type: ignore[no-untyped-def]
    """Say how the last run of the master ended, and whether it starts after logon."""
    from pathlib import Path

    from autosys_tasks.core import journal
    from autosys_tasks.schedule import look, show
    from autosys_tasks.schedule import site as place

    config = house().config
    lines, _skipped = journal.read(Path(config.path, "outputs", journal.FILES["master"]))
    timed = journal.since(lines, 1.0)  # whose time is none is none of ours
    last = next((line for line in reversed(timed) if (line.get("task"), line.get("step")) == LAST), None)
    site = place.site_of(config)
    seen = look.see(site, place.chosen(config, "master"))
    no_way = look.no_way_for(config, seen.values())
    ran = f"last run {last['ts']}: {last.get('detail')}" if last else "it has never run -> inv master"
    fields: dict[str, object] = {"last": last, "entries": [show.entry_json(each) for each in seen.values()]}
    return finish(config, "master.status", 0, fields, [ran, *show.lines(seen.values(), no_way)], json)


@verb()
def register(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Have the system run the master after logon, and a watchdog tick every few minutes."""
    from autosys_tasks.tasks.schedule import change

    change(c, "schedule.register", ENTRIES, dry_run, json, exit_code)


@verb()
def unregister(c, dry_run=False, json=False, exit_code=False):  # type: ignore[no-untyped-def]
    """Have the system start this workspace no more; what runs goes on."""
    from autosys_tasks.tasks.schedule import change

    change(c, "schedule.unregister", ENTRIES, dry_run, json, exit_code)
